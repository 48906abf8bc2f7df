//! How much one address may have of what all callers share.

use std::collections::HashMap;
use std::net::{IpAddr, Ipv6Addr};
use std::sync::{Arc, Mutex, PoisonError};

/// What is given out. Clones share it.
#[derive(Debug, Clone)]
pub struct Shares(Arc<Taken>);

#[derive(Debug)]
struct Taken {
    most: usize,
    taken: Mutex<HashMap<IpAddr, usize>>,
}

/// A part of it, until it is dropped.
#[derive(Debug)]
pub struct Share {
    of: Shares,
    address: IpAddr,
}

impl Shares {
    /// Of which one address gets `most` at most.
    pub fn new(most: usize) -> Self {
        let taken = Mutex::default();
        Self(Arc::new(Taken { most, taken }))
    }

    /// One more for this address; `None` if it has as many as it may.
    pub fn take(&self, address: IpAddr) -> Option<Share> {
        let address = network_of(address);
        self.with(|taken| {
            let count = taken.entry(address).or_default();
            let may = *count < self.0.most;
            *count += usize::from(may);
            may
        })
        .then(|| Share {
            of: self.clone(),
            address,
        })
    }

    fn with<T>(&self, act: impl FnOnce(&mut HashMap<IpAddr, usize>) -> T) -> T {
        act(&mut self.0.taken.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

impl Drop for Share {
    fn drop(&mut self) {
        self.of.with(|taken| {
            if let Some(count) = taken.get_mut(&self.address) {
                *count -= 1;
                if *count == 0 {
                    taken.remove(&self.address);
                }
            }
        });
    }
}

/// What counts as one address: of IPv6 the first 64 bits, for one machine has all that begin with them.
pub(super) fn network_of(address: IpAddr) -> IpAddr {
    match address.to_canonical() {
        IpAddr::V4(address) => address.into(),
        IpAddr::V6(address) => Ipv6Addr::from_bits(address.to_bits() & (u128::MAX << 64)).into(),
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    #[test]
    fn one_address_leaves_something_for_the_others() {
        let shares = Shares::new(2);
        let address = |text: &str| text.parse().unwrap();
        let taken: Vec<_> = ["2001:db8::1", "2001:db8::2", "2001:db8::3"]
            .map(|one| shares.take(address(one)))
            .into();
        assert!(taken[0].is_some() && taken[1].is_some() && taken[2].is_none());
        let other = shares.take(address("10.0.0.1"));
        let mapped = shares.take(address("::ffff:10.0.0.1"));
        assert!(other.is_some() && mapped.is_some());
        assert!(shares.take(address("10.0.0.1")).is_none());
        drop(taken);
        assert!(shares.take(address("2001:db8::4")).is_some());
    }
}
