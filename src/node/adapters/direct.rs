//! Which adapters are this package's own.

use std::cell::RefCell;
use std::rc::Rc;

use crate::error::Result;
use crate::node::value::Handle;

/// What is behind an adapter that this package made, as of the beginning of the call.
pub struct Direct<T>(RefCell<Option<Rc<T>>>);

impl<T: 'static> Direct<T> {
    /// Nothing yet.
    pub fn new() -> Self {
        Self(RefCell::new(None))
    }

    /// Looks at the adapter: an app may have replaced one of its functions since.
    pub fn look(&self, adapter: &Handle) -> Result<()> {
        *self.0.borrow_mut() = adapter.native()?;
        Ok(())
    }

    /// What is behind it.
    pub fn get(&self) -> Option<Rc<T>> {
        self.0.borrow().clone()
    }
}
