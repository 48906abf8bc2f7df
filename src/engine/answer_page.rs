//! What an answer by logs has room for: items of the planes one after the other, and what is said of those that do not go.

use crate::error::{Error, Result};
use crate::protocol::item::Item;
use crate::protocol::log::{Key, Keyed, PlaneAnswer, PlaneRequest, Stream, WireKey};
use crate::protocol::message::Refusal;

use super::change_log::View;
use super::held::refusal;
use super::shipment::{oversized, pack};

/// A page of an answer, plane after plane.
pub(super) struct Page<'a, B, P> {
    packed: &'a P,
    most: usize,
    used: usize,
    pub(super) items: Vec<Item<B>>,
    /// Of the records, and of the rows.
    pub(super) withheld: [Vec<Refusal>; 2],
    pub(super) failed: Vec<(Refusal, Error)>,
}

impl<'a, B, P: Fn(&mut Item<B>) -> Result<usize>> Page<'a, B, P> {
    /// A page of at most `most` bytes, of items that `packed` brings into their form.
    pub(super) fn new(packed: &'a P, most: usize) -> Self {
        Self {
            packed,
            most,
            used: 0,
            items: Vec::new(),
            withheld: [Vec::new(), Vec::new()],
            failed: Vec::new(),
        }
    }

    /// Adds the items of a plane, as far as there is room, and says where its log stands behind them. What is wanted by
    /// its key is returned: it comes after what follows in the logs of both planes, which it must not hold up.
    pub(super) fn plane(
        &mut self,
        view: View<B>,
        asked: Option<&PlaneRequest>,
        hello: bool,
    ) -> (PlaneAnswer, Vec<Keyed<B>>) {
        let mut told = PlaneAnswer {
            have: asked
                .and_then(|plane| plane.history.common(&view.others))
                .unwrap_or_default(),
            id: view.id,
            more: view.more && !hello,
            ..PlaneAnswer::default()
        };
        let mut upto = if hello { view.after } else { view.upto };
        for (seq, keyed) in view.items {
            if !self.add(keyed, &mut told) {
                upto = seq - 1;
                told.more = true;
                break;
            }
        }
        told.cursor = view.history.at(upto);
        told.history = view.history;
        (told, view.wanted)
    }

    /// Adds items that are wanted by their keys. Those for which there is no room are named.
    pub(super) fn wanted(&mut self, wanted: Vec<Keyed<B>>, told: &mut PlaneAnswer) {
        for keyed in wanted {
            let key = keyed.key.clone();
            if !self.add(keyed, told) {
                told.unsent.push(WireKey::from(&key));
            }
        }
    }

    /// Adds versions that the caller wrote over without having seen them, for it to tell its app. One that cannot be sent
    /// is not named: it does not stand here any more.
    pub(super) fn overwritten(&mut self, met: Vec<Keyed<B>>) {
        for Keyed { mut item, .. } in met {
            let weight = self.weigh(&mut item);
            if item.fault.is_none() {
                self.fit(item, weight);
            }
        }
    }

    fn withhold(&mut self, key: &Key, named: Refusal, told: &mut PlaneAnswer) {
        let [records, rows] = &mut self.withheld;
        let of_plane = if key.stream == Stream::Records {
            records
        } else {
            rows
        };
        of_plane.push(named);
        told.withheld.push(WireKey::from(key));
    }

    /// Adds an item; `false` if there is no room for it. One that cannot be sent is named instead.
    fn add(&mut self, keyed: Keyed<B>, told: &mut PlaneAnswer) -> bool {
        let Keyed { key, mut item } = keyed;
        let weight = self.weigh(&mut item);
        if let Some(error) = item.fault.take() {
            let named = refusal(&item, &error);
            self.withhold(&key, named.clone(), told);
            self.failed.push((named, error));
            return true;
        }
        let fits = self.fit(item, weight);
        if fits && key.stream != Stream::Records {
            told.keys.push(key.id);
        }
        fits
    }

    /// Brings an item into the form in which it travels. One that is too large has a fault.
    fn weigh(&self, item: &mut Item<B>) -> usize {
        let weight = pack(std::slice::from_mut(item), self.packed);
        let weight = weight.first().copied().unwrap_or_default();
        if item.fault.is_none() && weight > self.most {
            let limit = format!("the {} bytes that the caller takes", self.most);
            item.fault = Some(oversized(1, &limit));
        }
        weight
    }

    /// Adds an item of this weight, if there is room for it.
    fn fit(&mut self, item: Item<B>, weight: usize) -> bool {
        let fits = self.items.is_empty() || self.used.saturating_add(weight) <= self.most;
        if fits {
            self.used = self.used.saturating_add(weight);
            self.items.push(item);
        }
        fits
    }
}
