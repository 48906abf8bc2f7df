//! The answering side in this process, and the way to whichever transport the app passed in.

use std::rc::Rc;
use std::sync::Arc;

use tokio::sync::RwLock;

use super::adapters::NodeSide;
use super::clock::JsClock;
use super::convert::{Body, pack_as_json};
use super::http::HttpTransport;
use super::inside::refuse_any_inside;
use super::messages::{read_answer, read_request, write_request};
use super::options::Options;
use super::runtime::{JsObject, Made, on_threads, parse_json, spawn_bound, stringify};
use super::value::{Call, Env, Method, Scope, Value, brand, object_of_methods};
use crate::engine::granted::exchange_within_grant;
use crate::engine::ports::{Clock, Exchange, Log};
use crate::engine::responder::Responder;
use crate::engine::round::RoundOptions;
use crate::error::Result;
use crate::protocol::item::Item;
use crate::protocol::message::{Answer, Request};
use crate::protocol::wire::Json;
use crate::store::Holder;
use crate::store::side::NativeSide;

/// What is behind an in-process transport.
pub struct InProcess {
    responder: Responder<NodeSide>,
    /// On this thread the holder that writes answers, alone: a task of this thread goes on by promises only, and so
    /// cannot wait for another request. Off it, requests over this package's own stores read. In the order of asking.
    pub turns: Arc<RwLock<()>>,
    env: Rc<Env>,
}

impl InProcess {
    /// The answering side that the options of a transport or a server describe.
    pub fn new(options: &Options<'_>, env: &Rc<Env>) -> Result<Self> {
        let side = NodeSide::new(options, env, ("databaseAdapter", None))?;
        let RoundOptions {
            max_clock_skew_ms, ..
        } = options.data()?;
        Ok(Self {
            responder: Responder::new(side, max_clock_skew_ms),
            turns: Arc::default(),
            env: Rc::clone(env),
        })
    }

    /// The transactions that an answer would wait for.
    pub fn holders(&self) -> Result<Vec<Holder>> {
        self.responder.side.holders()
    }

    /// The clock of the answering side.
    pub fn clock(&self) -> &JsClock {
        &self.responder.side.clock
    }

    /// The same over the stores themselves, where all of them are this package's own. Its warnings go to
    /// `log`, and `clock` is its clock on any thread.
    pub fn natively<L: Log, C: Clock>(
        &self,
        log: L,
        clock: C,
    ) -> Result<Option<Responder<NativeSide<L, C>>>> {
        self.responder.side.find_stores()?;
        let stores = self.responder.side.native();
        Ok(stores.map(|stores| {
            Responder::new(stores.with(log, clock), self.responder.max_clock_skew_ms)
                .as_one_with(&self.responder)
        }))
    }

    /// Answers one request of a caller in this process, from memory or when its turn has come. A caller that says how many
    /// bytes of JSON it takes gets JSON in the end.
    pub async fn answer(&self, request: Request<Body>) -> Result<Answer<Body>> {
        if request.max_answer_bytes.is_some() {
            return self.answer_json(request).await;
        }
        self.answer_packed(request, &|_| Ok(1)).await
    }

    /// Answers one request of a caller that gets JSON.
    pub async fn answer_json(&self, request: Request<Body>) -> Result<Answer<Body>> {
        self.answer_packed(request, &|item| pack_as_json(&self.env, item))
            .await
    }

    async fn answer_packed(
        &self,
        request: Request<Body>,
        packed: &impl Fn(&mut Item<Body>) -> Result<usize>,
    ) -> Result<Answer<Body>> {
        let request = match Arc::clone(&self.turns).try_read_owned() {
            Ok(_turn) if request.items.is_empty() => {
                self.responder.side.find_stores()?;
                match self.responder.answer_at_hand(request) {
                    Ok(answer) => return Ok(answer),
                    Err(request) => request,
                }
            }
            _ => request,
        };
        let turns = Arc::clone(&self.turns);
        let _turn = match Arc::clone(&turns).try_write_owned() {
            Ok(turn) => turn,
            Err(_) => on_threads(&self.env, async { Ok(turns.write_owned().await) }).await?,
        };
        self.responder.side.find_stores()?;
        self.responder.answer_packed(request, packed).await
    }
}

/// `createInProcessSyncTransport(options)`
pub fn create_in_process<'s>(call: &Call<'s>, options: &Options<'s>) -> Result<Value<'s>> {
    let scope = call.scope;
    let in_process = Rc::new(InProcess::new(options, scope.env())?);
    let object = object_of_methods(scope, options.array(), METHODS, &in_process)?;
    brand(scope, object, in_process)
}

const METHODS: &[(&str, Method<Rc<InProcess>>)] = &[("exchange", |call, in_process| {
    let request = read_request(call.scope, call.arg(0));
    let allowed = refuse_any_inside(call, || in_process.holders());
    let in_process = Rc::clone(in_process);
    spawn_bound(call, async move {
        allowed?;
        let answer = in_process.answer(request?).await;
        answer.map_err(|error| error.or_in("exchange"))
    })
})];

/// Whichever transport the app passed in.
pub struct Peer(pub JsObject);

impl Peer {
    /// Its answer to a request, both as the text that they are: nothing of them is written anew.
    pub async fn relay(&self, request: &str) -> Result<Json> {
        let request = Made(|scope| parse_json(scope, request));
        self.0
            .call("exchange", &[&request], |scope, answer| {
                read_answer(scope, answer)?;
                stringify(scope, answer)
            })
            .await
    }

    /// Its answer to a request of a caller that gets JSON.
    pub async fn answer_json(&self, request: Request<Body>) -> Result<Answer<Body>> {
        match self.0.native::<InProcess>()? {
            Some(in_process) => in_process.answer_json(request).await,
            None => exchange_within_grant(self, request).await,
        }
    }
}

impl Exchange<Body> for Peer {
    fn is_elsewhere(&self) -> bool {
        matches!(self.0.native::<HttpTransport>(), Ok(Some(_)))
    }

    fn pack(&self, item: &mut Item<Body>) -> Result<usize> {
        match self.0.native::<HttpTransport>()? {
            Some(_) => pack_as_json(self.0.env(), item),
            None => Ok(1),
        }
    }

    async fn exchange(&self, request: Request<Body>) -> Result<Answer<Body>> {
        // The caller keeps the transport, and the transport what it needs.
        if let Some(in_process) = self.0.native::<InProcess>()? {
            return Box::pin(in_process.answer(request)).await;
        }
        if let Some(http) = self.0.native::<HttpTransport>()? {
            return Box::pin(http.exchange(request)).await;
        }
        let write = |scope: Scope<'_>| scope.keep(write_request(scope, request)?);
        let request = self.0.env().scope(write)?;
        self.0.call("exchange", &[&request], read_answer).await
    }
}
