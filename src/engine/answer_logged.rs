//! The answering side between two sides with change logs: take in, then answer what follows on what the caller has.

use std::collections::{HashMap, HashSet};

use crate::error::Result;
use crate::protocol::hlc::Hlc;
use crate::protocol::item::{Item, ItemKind};
use crate::protocol::log::{
    Key, Keyed, LogAnswer, LogRequest, PlaneRequest, Stream, key_of_record,
};
use crate::protocol::message::{Answer, Refusal, Request, Traffic};

use super::answer_compare::compare;
use super::answer_page::Page;
use super::answer_room::Room;
use super::apply_logged::{Rules, Source, apply_logged};
use super::at_hand::CallerSays;
use super::change_log::{Advance, After, Look, Others, View};
use super::common::Common;
use super::granted::Granted;
use super::memory::Memory;
use super::pair::Planes;
use super::planes::{even_in_all, hear_of, keeps_logs, look, recognized};
use super::ports::{Clock, Side};
use super::responder::Responder;

/// So much of the own history is told to a caller that was not here before.
const WHOLE_HISTORY: usize = 100;

/// So much is told to one that was.
const LATEST_HISTORY: usize = 4;

/// At most this many items may be asked for by their keys in one request.
const MOST_WANTED: usize = 10_000;

impl<S: Side> Responder<S> {
    /// Answers a request of a caller with change logs.
    ///
    /// # Errors
    /// What the stores failed with.
    pub(super) async fn answer_logged(
        &self,
        side: &Granted<'_, S>,
        mut request: Request<S::Body>,
        asked: LogRequest,
        packed: &impl Fn(&mut Item<S::Body>) -> Result<usize>,
    ) -> Result<Answer<S::Body>> {
        if asked.compares() {
            return compare(self, side, &asked).await;
        }
        let items = std::mem::take(&mut request.items);
        if items.is_empty() {
            let looks = looks_of(&asked, limit_of(&request, &asked));
            let views = self.look(side, looks, said_in(&asked)).await?;
            let mut common = Common::of(&views, &asked);
            common.even = hear_of(side, common.heard(&asked, &views)).await?;
            let nothing = BroughtIn::default();
            return Ok(self.reply((views, &common), &asked, &request, (nothing, packed)));
        }
        let mut met = self.met(side, &items, &asked).await?;
        let taken_in = self.take_in_logged(side, items, &asked).await?;
        let limit = limit_of(&request, &asked);
        let written: HashSet<&ItemKind> = taken_in.new.iter().collect();
        met.retain(|keyed| written.contains(&keyed.item.kind));
        met.truncate(limit);
        // Of what the caller wrote over it hears now or never; what follows can wait.
        let looks = looks_of(&asked, limit - met.len());
        let said = without_advances(said_in(&asked));
        let views = self.look(side, looks, said).await?;
        let mut common = Common::of(&views, &asked);
        common.even = hear_of(side, common.heard(&asked, &views)).await?;
        let came = BroughtIn { met, taken_in };
        Ok(self.reply((views, &common), &asked, &request, (came, packed)))
    }

    /// Answers a request of a caller that has nothing to tell, if memory knows that there is nothing to tell it either. No
    /// store is asked, and nothing is waited for.
    ///
    /// # Errors
    /// The request, for [`answer_packed`](Self::answer_packed).
    pub fn answer_at_hand(
        &self,
        request: Request<S::Body>,
    ) -> Result<Answer<S::Body>, Request<S::Body>> {
        let is_quiet = |asked: &LogRequest| asked.seen.is_none() && !asked.compares();
        let asked = request.log.as_deref().filter(|asked| is_quiet(asked));
        let (Some(asked), true) = (asked, request.items.is_empty() && self.has_clock_heard())
        else {
            return Err(request);
        };
        if !keeps_logs(&self.side) {
            return Err(request);
        }
        let grant = std::sync::Arc::clone(&request.grant);
        let side = Granted {
            side: &self.side,
            grant: &grant,
            own: None,
        };
        let looks = looks_of(asked, limit_of(&request, asked));
        let Some(views) = self.views_at_hand(&side, looks, said_in(asked)) else {
            return Err(request);
        };
        let mut common = Common::of(&views, asked);
        let Some(known) = recognized(&side, &common.heard(asked, &views)) else {
            return Err(request);
        };
        common.even = even_in_all(known);
        let (came, packed) = (BroughtIn::default(), |_: &mut Item<S::Body>| Ok(0));
        Ok(self.reply((views, &common), asked, &request, (came, &packed)))
    }

    /// What is answered by these views of the own logs.
    fn reply(
        &self,
        (views, common): (Planes<View<S::Body>>, &Common),
        asked: &LogRequest,
        request: &Request<S::Body>,
        (came, packed): (
            BroughtIn<S::Body>,
            &impl Fn(&mut Item<S::Body>) -> Result<usize>,
        ),
    ) -> Answer<S::Body> {
        let BroughtIn { met, taken_in } = came;
        let TakenIn {
            new,
            refused,
            refusing,
        } = taken_in;
        let room = Room::of(request);
        let refused = room.cut(refused);
        let tells_alive = common.tells_alive(asked);
        let refuses_more = refused.len() < refusing;
        let mut page = Page::new(packed, room.for_items(&[]));
        page.overwritten(met);
        let Planes { records, rows } = views;
        let mut records = records.map(|view| page.plane(view, asked.records.as_ref(), asked.hello));
        let mut rows = rows.map(|view| page.plane(view, asked.rows.as_ref(), asked.hello));
        for (told, wanted) in [&mut records, &mut rows].into_iter().flatten() {
            page.wanted(std::mem::take(wanted), told);
        }
        let (records, rows) = (records.map(|(told, _)| told), rows.map(|(told, _)| told));
        let more = [&records, &rows]
            .into_iter()
            .flatten()
            .any(|plane| plane.more);
        for (named, error) in &page.failed {
            self.warn_once(named, "cannot be sent to a caller", Some(error));
        }
        Answer {
            items: page.items,
            has_more: more,
            coverage: None,
            refused,
            withheld: room.cut(page.withheld.concat()),
            log: Some(Box::new(LogAnswer {
                records,
                rows,
                digest: common.counted.filter(|_| !more).map(|counted| counted.all),
                alive: common.alive().filter(|_| !more && tells_alive),
                streams: common.hash,
                stream_names: common.names.clone(),
                compared: Vec::new(),
                refuses_more,
                overtaken: None,
            })),
            taken_in: new,
            traffic: Traffic::default(),
        }
    }

    /// The records that `items` are newer versions of, and that the caller has not seen.
    async fn met(
        &self,
        side: &Granted<'_, S>,
        items: &[Item<S::Body>],
        asked: &LogRequest,
    ) -> Result<Vec<Keyed<S::Body>>> {
        let keyed = |item| Some((key_of_record(item)?, &item.hlc));
        let newer: HashMap<Key, &Hlc> = items.iter().filter_map(keyed).collect();
        let plane = asked
            .records
            .as_ref()
            .filter(|plane| !plane.since.is_empty());
        let Some(plane) = plane.filter(|_| !newer.is_empty()) else {
            return Ok(Vec::new());
        };
        let looks = Planes {
            records: Some(Look {
                want: newer.keys().cloned().collect(),
                only_unsent: true,
                ..question(plane, asked, 0)
            }),
            rows: None,
        };
        let unseen = look(side, looks).await?.records;
        let unseen = unseen.into_iter().flat_map(|view| view.wanted);
        let is_met = |keyed: &Keyed<S::Body>| {
            let newer = newer.get(&keyed.key);
            newer.is_some_and(|hlc| **hlc > keyed.item.hlc)
        };
        Ok(unseen.filter(is_met).collect())
    }

    async fn take_in_logged(
        &self,
        side: &Granted<'_, S>,
        items: Vec<Item<S::Body>>,
        asked: &LogRequest,
    ) -> Result<TakenIn> {
        let source = |plane: &PlaneRequest, memory: &Memory| Source {
            origin: plane.upto.clone(),
            advance: advance_of(plane).map(|advance| memory.with_untold(advance)),
            ..Source::default()
        };
        let [of_records, of_rows] = &*self.memory;
        let sources = Planes {
            records: asked
                .records
                .as_ref()
                .map(|plane| source(plane, of_records)),
            rows: asked.rows.as_ref().map(|plane| source(plane, of_rows)),
        };
        let rules = Rules {
            max_clock_skew_ms: self.max_clock_skew_ms,
            known_apps_only: true,
        };
        let taken_in = apply_logged(side, items, sources, (rules, &*self.nodes)).await;
        self.memory.iter().for_each(Memory::forget_log);
        taken_in.done?;
        let arrivals = taken_in.arrivals;
        let failed = arrivals
            .iter()
            .filter(|arrival| arrival.failure().is_some());
        let refusing = failed.count();
        let now_ms = side.clock().system_ms();
        let planes = [&asked.records, &asked.rows];
        for (plane, memory) in planes.into_iter().zip(&*self.memory) {
            let Some(plane) = plane else { continue };
            match advance_of(plane).filter(|_| refusing == 0) {
                Some(advance) => memory.told(&advance.upto.generation, now_ms),
                None => memory.came(&plane.history),
            }
        }
        let new = self.known().note_taken_in(&arrivals);
        let refused = self.refused(&arrivals);
        Ok(TakenIn {
            new,
            refused,
            refusing,
        })
    }
}

/// What came with a request.
struct BroughtIn<B> {
    /// What it was written over here.
    met: Vec<Keyed<B>>,
    taken_in: TakenIn,
}

impl<B> Default for BroughtIn<B> {
    fn default() -> Self {
        Self {
            met: Vec::new(),
            taken_in: TakenIn::default(),
        }
    }
}

/// What became of the items of a request.
#[derive(Default)]
struct TakenIn {
    /// What is new here.
    new: Vec<ItemKind>,
    /// What was refused, as far as it is named.
    refused: Vec<Refusal>,
    /// How many were refused.
    refusing: usize,
}

/// How far the caller's log is taken in with what it sends.
fn advance_of(plane: &PlaneRequest) -> Option<Advance> {
    let (follows, upto) = plane.follows.zip(plane.upto.clone())?;
    Some(Advance {
        history: plane.history.clone(),
        follows,
        presumes: plane.presumes.clone(),
        upto,
        only_whole: true,
    })
}

fn said_in(asked: &LogRequest) -> Planes<CallerSays> {
    let said = |plane: &PlaneRequest| CallerSays {
        advance: advance_of(plane),
        presumes: plane.presumes.clone(),
    };
    Planes {
        records: asked.records.as_ref().map(said),
        rows: asked.rows.as_ref().map(said),
    }
}

/// The same where items came, with which the advances were noted.
fn without_advances(mut said: Planes<CallerSays>) -> Planes<CallerSays> {
    for plane in said.records.iter_mut().chain(&mut said.rows) {
        plane.advance = None;
    }
    said
}

/// At most how many items a caller gets.
fn limit_of<B>(request: &Request<B>, asked: &LogRequest) -> usize {
    if asked.hello { 0 } else { request.limit }
}

/// What is asked of the own logs for a caller: at most `limit` items of each, and what it asks for by key.
fn looks_of(asked: &LogRequest, limit: usize) -> Planes<Look> {
    let question = |plane: &PlaneRequest| question(plane, asked, limit);
    let mut looks = Planes {
        records: asked.records.as_ref().map(question),
        rows: asked.rows.as_ref().map(question),
    };
    for key in asked.want.iter().take(MOST_WANTED).cloned().map(Key::from) {
        let of = match key.stream {
            Stream::Records => &mut looks.records,
            Stream::Rows(_) => &mut looks.rows,
        };
        if let Some(look) = of {
            look.want.push(key);
        }
    }
    looks
}

/// What is asked of the own log for a caller.
fn question(plane: &PlaneRequest, asked: &LogRequest, limit: usize) -> Look {
    let generations = plane.history.0.iter();
    Look {
        history: if asked.hello {
            WHOLE_HISTORY
        } else {
            LATEST_HISTORY
        },
        others: Others::Of(
            generations
                .map(|cursor| cursor.generation.clone())
                .collect(),
        ),
        after: After::Common(plane.since.clone()),
        skip: plane.history.clone(),
        limit,
        ..Look::default()
    }
}
