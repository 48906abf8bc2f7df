//! Where warnings go.

use std::rc::Rc;

use super::error::{to_js, warn};
use super::options::Options;
use super::value::{Env, Persistent};
use crate::engine::ports::Log;
use crate::error::{Error, Result, one_line};

/// Warnings go to the app's `logger`, or to its `console`.
#[derive(Clone)]
pub struct Console {
    env: Rc<Env>,
    /// The function that `js/engine/logger.js` made of it.
    logger: Option<Persistent>,
}

impl Console {
    /// Where the warnings of what has these options go.
    pub fn of(options: &Options<'_>, env: &Rc<Env>) -> Result<Self> {
        let logger = options.function("logger")?;
        Ok(Self {
            env: Rc::clone(env),
            logger,
        })
    }
}

impl Log for Console {
    fn warn(&self, message: &str, error: Option<&Error>) {
        let Some(logger) = &self.logger else {
            return warn(&self.env, message, error);
        };
        // If not even the logger works, there is no way to tell.
        let _ = self.env.scope(|scope| {
            let message = scope.text(&one_line(message.to_owned()))?;
            let error = match error {
                Some(error) => to_js(scope, error)?,
                None => scope.undefined()?,
            };
            scope
                .call(message, logger.value(scope)?, &[message, error])
                .map(drop)
        });
    }
}
