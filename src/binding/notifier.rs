//! `createChangeNotifier()`

use std::cell::{Cell, RefCell};
use std::collections::BTreeMap;
use std::rc::Rc;

use super::error::{invalid, warn};
use super::js::{Call, Kept, Kind, Realm, Scope, Value, function};
use crate::error::Result;

/// Listeners in the order of subscription.
#[derive(Default)]
struct Listeners {
    next: Cell<u64>,
    by_order: RefCell<BTreeMap<u64, Kept>>,
}

impl Listeners {
    /// The place of a listener that is subscribed already.
    fn place(&self, scope: Scope<'_>, listener: Value<'_>) -> Result<Option<u64>> {
        for (place, known) in &*self.by_order.borrow() {
            if scope.same(known.value(scope)?, listener)? {
                return Ok(Some(*place));
            }
        }
        Ok(None)
    }

    fn subscribe(&self, call: &Call<'_>) -> Result<()> {
        if self.place(call.scope, call.arg(0))?.is_none() {
            let place = self.next.replace(self.next.get() + 1);
            let listener = call.realm.keep(call.scope, call.arg(0))?;
            self.by_order.borrow_mut().insert(place, listener);
        }
        Ok(())
    }

    fn unsubscribe(&self, scope: Scope<'_>, listener: Value<'_>) -> Result<()> {
        if let Some(place) = self.place(scope, listener)? {
            self.by_order.borrow_mut().remove(&place);
        }
        Ok(())
    }

    /// Calls every listener. One that throws is warned of, and keeps no other from hearing.
    fn emit(&self, call: &Call<'_>) -> Result<()> {
        let scope = call.scope;
        let mut from = 0;
        loop {
            let next = self.by_order.borrow().range(from..).next().map(|(place, listener)| (*place, listener.clone()));
            let Some((place, listener)) = next else {
                return Ok(());
            };
            from = place + 1;
            if let Err(error) = scope.call(scope.undefined()?, listener.value(scope)?, &[call.arg(0)]) {
                warn(call.realm, "a change listener threw", Some(&error));
            }
        }
    }
}

/// A notifier object: `{ subscribe, emit }`.
pub fn create_notifier<'s>(scope: Scope<'s>, realm: &Rc<Realm>) -> Result<Value<'s>> {
    let listeners: Rc<Listeners> = Rc::default();
    let object = scope.object()?;
    let subscribing = Rc::clone(&listeners);
    let subscribe = function(scope, realm, "subscribe", move |call| {
        if call.scope.kind(call.arg(0))? != Kind::Function {
            return Err(invalid("subscribe(listener)", "takes a function"));
        }
        subscribing.subscribe(call)?;
        let (listeners, listener) = (Rc::clone(&subscribing), call.realm.keep(call.scope, call.arg(0))?);
        function(call.scope, call.realm, "unsubscribe", move |call| {
            listeners.unsubscribe(call.scope, listener.value(call.scope)?)?;
            call.scope.undefined()
        })
    })?;
    scope.set_named(object, "subscribe", subscribe)?;
    let emit = function(scope, realm, "emit", move |call| {
        listeners.emit(call)?;
        call.scope.undefined()
    })?;
    scope.set_named(object, "emit", emit)?;
    Ok(object)
}

/// `createChangeNotifier()`
pub fn create_change_notifier<'s>(call: &Call<'s>) -> Result<Value<'s>> {
    create_notifier(call.scope, call.realm)
}

/// Emits an event through a notifier object, by whatever its `emit` is now.
pub fn emit(scope: Scope<'_>, realm: &Rc<Realm>, notifier: Value<'_>, event: Value<'_>) -> Result<()> {
    let emit = scope.get_named(notifier, "emit")?;
    if let Err(error) = scope.call(notifier, emit, &[event]) {
        warn(realm, "the change notifier threw", Some(&error));
    }
    Ok(())
}
