//! By what a server goes: its names, its limits, and whether it speaks TLS.

use super::budget::Budget;
use super::limits::{ChannelLimits, Limits};
use super::origin::Hosts;
use super::tls::Tls;
use crate::error::Result;

/// See the [module page](self).
#[derive(Clone)]
pub struct Terms {
    pub(super) hosts: Hosts,
    pub(super) limits: Limits,
    pub(super) tls: Option<Tls>,
    /// What the requests of all channels may hold in memory together.
    pub budget: Budget,
}

impl Terms {
    /// As they are given by their names: texts, and numbers, of which `count` returns the default where one is not.
    ///
    /// # Errors
    /// `InvalidArgument` if one is not what it must be; those of both functions.
    pub fn read(
        text: impl Fn(&'static str) -> Result<Option<String>>,
        count: impl Fn(&'static str, usize) -> Result<usize>,
    ) -> Result<Self> {
        let tls = text("tls")?.map(|given| Tls::read(&given)).transpose()?;
        Ok(Self {
            hosts: Hosts::read(text("allowedHosts")?.as_deref(), tls.is_some())?,
            limits: Limits::read(&count)?,
            tls,
            budget: ChannelLimits::read(count)?.budget,
        })
    }
}
