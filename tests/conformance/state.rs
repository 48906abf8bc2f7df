//! Stores of what an engine remembers.

use starkeep_sync_engine::engine::ports::State;
use starkeep_sync_engine::protocol::hlc::Hlc;
use starkeep_sync_engine::protocol::text::Text;

use crate::shelf::{OfState, every_state};
use crate::support::at;
use crate::{marks, run};

struct Remembered;

impl OfState for Remembered {
    async fn check<S: State>(&self, name: &str, state: S, reopen: impl AsyncFnOnce(S) -> S) {
        assert!(state.watermarks().await.unwrap().is_empty(), "{name}");
        assert!(state.peer_watermarks().await.unwrap().is_empty(), "{name}");
        let lone = Text::from_units(&[0xD800]);
        let own = marks(&[
            at(1, 0, "a"),
            at(2, 65_536, "__proto__"),
            at(3, 0, ""),
            at((1 << 53) - 1, 0, "z"),
            Hlc::new(4, 0, lone),
        ]);
        let peer = marks(&[at(9, 1, "b")]);
        state
            .set_watermarks(&marks(&[at(7, 0, "gone")]))
            .await
            .unwrap();
        state.set_watermarks(&own).await.unwrap();
        state.set_peer_watermarks(&peer).await.unwrap();
        assert_eq!(state.watermarks().await.unwrap(), own, "{name}");
        let state = reopen(state).await;
        assert_eq!(state.watermarks().await.unwrap(), own, "{name}");
        assert_eq!(state.peer_watermarks().await.unwrap(), peer, "{name}");
    }
}

#[test]
fn what_was_set_last_is_remembered_by_the_next_one_too() {
    run(every_state(&Remembered));
}
