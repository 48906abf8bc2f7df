//! What an engine is asked for, and the outcome.

use super::ports::{Blobs, Events, Exchange, Side, State};
use super::reconcile_all::Reconciled;
use super::round::{Engine, Report};
use crate::error::Result;

/// What an engine is asked for.
#[derive(Debug, Clone, Copy)]
pub enum Action {
    /// A round; the app hears of it meanwhile if it `listens`.
    Round {
        /// Whether there is a listener.
        listens: bool,
    },
    /// A reconciliation.
    Reconciliation {
        /// Whether objects are compared too.
        objects: bool,
    },
}

impl Action {
    /// The function of an engine that asks for it.
    pub fn name(self) -> &'static str {
        match self {
            Self::Round { .. } => "exchange",
            Self::Reconciliation { .. } => "reconcile",
        }
    }
}

/// The outcome of what was asked for.
#[derive(Debug)]
pub enum Done<B> {
    /// Of a round.
    Round(Report<B>),
    /// Of a reconciliation.
    Reconciled(Reconciled<B>),
}

impl<B> Done<B> {
    /// The same around another form of the bodies.
    pub fn map<J>(self, body: impl Fn(B) -> J) -> Done<J> {
        match self {
            Self::Round(report) => Done::Round(report.map(body)),
            Self::Reconciled(reconciled) => Done::Reconciled(reconciled.map(body)),
        }
    }
}

impl<S, O, X, T, E> Engine<S, O, X, T, E>
where
    S: Side,
    O: Blobs,
    X: Exchange<S::Body>,
    T: State,
    E: Events,
{
    /// Does what is asked for. The app can call it off at any await.
    ///
    /// # Errors
    /// Those of [`Engine::watched_round`] and of [`Engine::reconcile`].
    pub async fn done(&self, action: Action) -> Result<Done<S::Body>> {
        match action {
            Action::Round { listens } => self.watched_round(listens).await.map(Done::Round),
            Action::Reconciliation { objects } => {
                self.reconcile(objects).await.map(Done::Reconciled)
            }
        }
    }
}
