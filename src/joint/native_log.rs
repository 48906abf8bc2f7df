//! Warnings of native code, which `tracing` carries, on their way to the log of an app.
//!
//! A store or a server on another thread has no console at hand. What it warns of is said by one of the environments of
//! the process, the first that is there.

use std::fmt::{self, Write as _};
use std::sync::{Arc, Mutex, Once, PoisonError};

use tracing::field::{Field, Visit};
use tracing::span::{Attributes, Id, Record};
use tracing::{Event, Level, Metadata, Subscriber};

use crate::error::one_line;

/// Says a warning. Returns false if it cannot, and never will.
pub type Sink = Arc<dyn Fn(&str) -> bool + Send + Sync>;

static SINKS: Mutex<Vec<Sink>> = Mutex::new(Vec::new());

/// From now on warnings may go to this one.
pub fn hear(sink: Sink) {
    static BEGIN: Once = Once::new();
    BEGIN.call_once(|| {
        // Fails only if a test has a subscriber of its own, which hears them then.
        let _ = tracing::subscriber::set_global_default(ToSinks);
    });
    sinks().push(sink);
}

fn sinks() -> std::sync::MutexGuard<'static, Vec<Sink>> {
    SINKS.lock().unwrap_or_else(PoisonError::into_inner)
}

struct ToSinks;

impl Subscriber for ToSinks {
    fn enabled(&self, metadata: &Metadata<'_>) -> bool {
        // What the libraries beneath say is not for people.
        *metadata.level() <= Level::WARN && metadata.target().starts_with(env!("CARGO_CRATE_NAME"))
    }

    fn event(&self, event: &Event<'_>) {
        let mut words = Words::default();
        event.record(&mut words);
        let said = one_line(words.to_string());
        // Called without the lock: a sink may warn of something itself.
        let all = sinks().clone();
        let heard = all.iter().position(|sink| sink(&said));
        let gone = heard.unwrap_or(all.len());
        sinks().retain(|sink| !all.iter().take(gone).any(|lost| Arc::ptr_eq(lost, sink)));
    }

    fn new_span(&self, _: &Attributes<'_>) -> Id {
        Id::from_u64(1)
    }

    fn record(&self, _: &Id, _: &Record<'_>) {}
    fn record_follows_from(&self, _: &Id, _: &Id) {}
    fn enter(&self, _: &Id) {}
    fn exit(&self, _: &Id) {}
}

/// An event in words: its message, and behind it its fields.
#[derive(Default)]
struct Words {
    message: String,
    fields: String,
}

impl Visit for Words {
    fn record_debug(&mut self, field: &Field, value: &dyn fmt::Debug) {
        // To write into a text does not fail.
        let _ = if field.name() == "message" {
            write!(self.message, "{value:?}")
        } else {
            let comma = if self.fields.is_empty() { "" } else { ", " };
            write!(self.fields, "{comma}{}: {value:?}", field.name())
        };
    }
}

impl fmt::Display for Words {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.message)?;
        if !self.fields.is_empty() {
            write!(f, " ({})", self.fields)?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn warnings_of_this_crate_go_to_the_first_that_is_there() {
        let heard = Arc::new(Mutex::new(Vec::new()));
        let (gone, there) = (Arc::clone(&heard), Arc::clone(&heard));
        hear(Arc::new(move |_| {
            gone.lock().unwrap().push("gone".to_owned());
            false
        }));
        hear(Arc::new(move |said: &str| {
            there.lock().unwrap().push(said.to_owned());
            true
        }));
        tracing::warn!(folder = "x", "it stays behind");
        tracing::warn!(name = %"a\nb", "it\u{1b} is shown");
        tracing::info!("nothing");
        tracing::warn!(target: "hyper", "nothing either");
        tracing::error!("again");
        let heard: Vec<_> = heard.lock().unwrap().clone();
        let shown = r"it\u{1b} is shown (name: a\nb)";
        assert_eq!(
            heard,
            ["gone", "it stays behind (folder: \"x\")", shown, "again"]
        );
    }
}
