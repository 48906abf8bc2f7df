//! Where warnings go.

use std::rc::Rc;

use crate::engine::ports::Log;
use crate::error::Error;
use crate::node::error::warn;
use crate::node::value::Env;

/// Warnings go to the app's `console`.
#[derive(Clone)]
pub struct Console(pub Rc<Env>);

impl Log for Console {
    fn warn(&self, message: &str, error: Option<&Error>) {
        warn(&self.0, message, error);
    }
}
