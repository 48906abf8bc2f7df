//! By what a server goes: its names, its limits, and whether it speaks TLS.

use std::net::IpAddr;
use std::sync::Arc;

use super::Channel;
use super::budget::Budget;
use super::limits::{ChannelLimits, Limits};
use super::origin::Hosts;
use super::rates::{Load, Rates};
use super::stats::{Snapshot, Stats};
use super::status::Status;
use super::tls::Tls;
use crate::error::{Error, Result};

/// See the [module page](self).
#[derive(Clone)]
pub struct Terms {
    pub(super) hosts: Hosts,
    pub(super) limits: Limits,
    pub(super) tls: Option<Tls>,
    /// What the requests of all channels may hold in memory together.
    pub(super) budget: Budget,
    /// How much each caller brings.
    rates: Rates,
    /// What the server has done.
    pub(super) stats: Arc<Stats>,
    /// Who gets `GET /metrics`.
    pub(super) metrics: Option<Audience>,
    /// For whom the status page is.
    pub(super) status_page: Option<Audience>,
}

/// Who gets something.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Audience {
    /// Callers on this machine.
    Loopback,
    /// All.
    Everyone,
}

impl Audience {
    fn of(name: &str) -> Self {
        if name == "everyone" {
            Self::Everyone
        } else {
            Self::Loopback
        }
    }

    /// Whether a caller is one of them.
    pub(super) fn has(self, caller: IpAddr) -> bool {
        self == Self::Everyone || caller.to_canonical().is_loopback()
    }
}

impl Terms {
    /// As they are given by their names: texts, and numbers, of which `count` returns the default where one is not.
    ///
    /// # Errors
    /// `InvalidArgument` if one is not what it must be; those of both functions.
    pub fn read(
        text: impl Fn(&'static str) -> Result<Option<String>>,
        count: impl Fn(&'static str, usize) -> Result<usize>,
    ) -> Result<Self> {
        let audience = |name| Ok::<_, Error>(text(name)?.as_deref().map(Audience::of));
        let status_page = audience("statusPage")?;
        let stats = Stats::with(status_page.map(|_| Status::default()));
        let tls = text("tls")?.map(|given| Tls::read(&given)).transpose()?;
        Ok(Self {
            hosts: Hosts::read(text("allowedHosts")?.as_deref(), tls.is_some())?,
            limits: Limits::read(&count)?,
            tls,
            budget: ChannelLimits::read(&count)?.budget,
            rates: Rates::new(Load::read(count)?),
            stats: Arc::new(stats),
            metrics: audience("metrics")?,
            status_page,
        })
    }

    /// A channel is to have with the others what they have together.
    pub fn share(&self, channel: &mut Channel) {
        channel.limits.budget = self.budget.clone();
        channel.rates = self.rates.clone();
        channel.stats = Arc::clone(&self.stats);
    }

    /// The numbers of the server now.
    pub fn snapshot(&self) -> Snapshot {
        self.stats.snapshot(&self.budget)
    }
}
