//! What a round on another thread leaves on the JS thread.

use std::rc::Rc;

use crate::node::http::PeerOptions;
use crate::node::node_engine::NodeEngine;
use crate::node::transport::InProcess;

/// What tasks are run with, on the JS thread.
pub struct Context {
    /// The engine whose round it is.
    pub engine: Rc<NodeEngine>,
    /// Its peer, where that is in this process.
    pub peer: Option<Rc<InProcess>>,
    /// The apps that are asked for headers, by number.
    pub apps: Vec<Rc<PeerOptions>>,
}
