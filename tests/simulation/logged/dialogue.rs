//! What is said, in few letters.

use std::fmt::Write as _;

use starkeep_sync_engine::protocol::log::Cursor;
use starkeep_sync_engine::protocol::message::{Answer, Request};
use starkeep_sync_engine::testing::Body;

use super::super::node::{Node, list};

pub fn told(node: &Node, from: usize, answer: Result<&Answer<Body>, String>) -> String {
    let answer = match answer {
        Ok(answer) => answer,
        Err(error) => return format!("n{from} <- n{}: {error}", node.index),
    };
    let mut line = format!("n{from} <- n{}: [{}]", node.index, list(&answer.items));
    let refused = answer
        .refused
        .iter()
        .map(|refusal| (&refusal.kind, &refusal.hlc));
    let _ = write!(line, ", refused {:?}", refused.collect::<Vec<_>>());
    let Some(log) = &answer.log else { return line };
    for (name, plane) in [("records", &log.records), ("rows", &log.rows)] {
        let Some(plane) = plane else { continue };
        let cursor = plane.cursor.as_ref().map(ToString::to_string);
        let _ = write!(
            line,
            ", {name}: have {}, cursor {cursor:?}, more {}, withheld {:?}",
            plane.have, plane.more, plane.withheld,
        );
    }
    line + &format!(
        ", {:?}, names {:?}, compared {:?}",
        log.digest,
        log.stream_names.is_some(),
        log.compared
    )
}

pub fn asked(node: &Node, from: usize, request: &Request<Body>) -> String {
    let mut line = format!("n{from} -> n{}: [{}]", node.index, list(&request.items));
    let Some(log) = &request.log else { return line };
    for (name, plane) in [("records", &log.records), ("rows", &log.rows)] {
        let Some(plane) = plane else { continue };
        let text = |cursors: &[Cursor]| {
            cursors
                .iter()
                .map(ToString::to_string)
                .collect::<Vec<_>>()
                .join(" ")
        };
        let _ = write!(
            line,
            ", {name}: {}, follows {:?}, upto {}, since {}",
            text(&plane.history.0),
            plane.follows,
            text(plane.upto.as_slice()),
            text(&plane.since),
        );
    }
    let hello = if log.hello { ", hello" } else { "" };
    line + &format!(
        "{hello}, want {:?}, names {:?}, compare {:?}",
        log.want,
        log.stream_names.is_some(),
        log.compare
    )
}
