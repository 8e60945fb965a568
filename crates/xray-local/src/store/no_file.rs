//! Replaces the store file in builds without the feature `store`: there is none.

use std::convert::Infallible;

use super::packed::Packed;
use super::{Change, Restored};
use crate::id::TraceId;

#[derive(Debug)]
pub(crate) struct File(Infallible);

impl File {
    pub(crate) fn documents(&self, _: TraceId) -> Vec<Packed> {
        match self.0 {}
    }

    pub(super) fn restore(&self) -> Vec<Restored> {
        match self.0 {}
    }

    #[cfg(feature = "web")]
    pub(super) fn saved(&self, _: &str) -> Option<String> {
        match self.0 {}
    }

    pub(super) fn push(&self, _: impl IntoIterator<Item = Change>) {
        match self.0 {}
    }

    pub(crate) fn persist(&self) -> Result<(), String> {
        match self.0 {}
    }

    pub(crate) fn stop(&self) {
        match self.0 {}
    }

    pub(crate) fn run(&self, _: impl FnMut(&[TraceId])) {
        match self.0 {}
    }

    pub(crate) fn max_age(&self) -> Option<std::time::Duration> {
        match self.0 {}
    }

    pub(crate) fn excess(&self) -> bool {
        match self.0 {}
    }
}
