//! A reconciliation of which every store is this package's own.

use std::cell::RefCell;
use std::rc::Rc;
use std::sync::Arc;

use futures_util::future::try_join;

use super::{Memory, NativeRound, held_for_js};
use crate::engine::reconcile_all::Reconciled;
use crate::error::Result;
use crate::node::convert::Body;
use crate::node::runtime::{EndOfTasks, on_a_thread};
use crate::node::stopping::Stop;
use crate::node::value::Env;

impl NativeRound {
    /// The reconciliation, which `stop` calls off. `memory` is what rounds like this one remember.
    pub async fn reconcile(
        self,
        env: &Rc<Env>,
        memory: &RefCell<Memory>,
        (stop, objects): (Option<Arc<Stop>>, bool),
    ) -> Result<Reconciled<Body>> {
        let Self {
            mut engine,
            context,
            tasks,
        } = self;
        engine.events.stop = stop;
        let (sweep, session) = memory.take();
        engine.sweep.replace(sweep);
        engine.session.replace(session);
        let end = EndOfTasks(Arc::clone(&tasks));
        let work = on_a_thread(env, move || async move {
            let _end = end;
            let done = Box::pin(engine.reconcile(objects)).await;
            Ok((
                done,
                (engine.sweep.into_inner(), engine.session.into_inner()),
            ))
        });
        let ((done, after), ()) = try_join(work, tasks.serve(env, context)).await?;
        memory.replace(after);
        let done = done?;
        Ok(Reconciled {
            differing: done.differing,
            applied: done.applied,
            shipped: done.shipped,
            in_sync: done.in_sync,
            requests: done.requests,
            held: held_for_js(done.held),
            objects: done.objects,
        })
    }
}
