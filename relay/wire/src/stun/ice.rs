//! The attributes of ICE's checks (RFC 8445, section 7.1).

use super::{Message, Writer, attribute};
use crate::bytes::{u32_at, u64_at};

impl Message<'_> {
    /// PRIORITY (RFC 8445, section 7.1.1).
    pub fn priority(&self) -> Option<u32> {
        let value = self.attribute(attribute::PRIORITY)?;

        if value.len() == 4 { u32_at(value, 0) } else { None }
    }

    /// Whether USE-CANDIDATE is there (RFC 8445, section 7.1.2).
    pub fn use_candidate(&self) -> bool {
        self.attribute(attribute::USE_CANDIDATE).is_some()
    }

    /// The tie-breaker of ICE-CONTROLLED (RFC 8445, section 7.1.3).
    pub fn ice_controlled(&self) -> Option<u64> {
        self.tie_breaker(attribute::ICE_CONTROLLED)
    }

    /// The tie-breaker of ICE-CONTROLLING (RFC 8445, section 7.1.3).
    pub fn ice_controlling(&self) -> Option<u64> {
        self.tie_breaker(attribute::ICE_CONTROLLING)
    }

    fn tie_breaker(&self, kind: u16) -> Option<u64> {
        let value = self.attribute(kind)?;

        if value.len() == 8 { u64_at(value, 0) } else { None }
    }
}

impl Writer<'_> {
    /// Appends PRIORITY.
    pub fn priority(&mut self, priority: u32) -> &mut Self {
        self.attribute(attribute::PRIORITY, &priority.to_be_bytes())
    }

    /// Appends USE-CANDIDATE.
    pub fn use_candidate(&mut self) -> &mut Self {
        self.attribute(attribute::USE_CANDIDATE, &[])
    }

    /// Appends ICE-CONTROLLED.
    pub fn ice_controlled(&mut self, tie_breaker: u64) -> &mut Self {
        self.attribute(attribute::ICE_CONTROLLED, &tie_breaker.to_be_bytes())
    }

    /// Appends ICE-CONTROLLING.
    pub fn ice_controlling(&mut self, tie_breaker: u64) -> &mut Self {
        self.attribute(attribute::ICE_CONTROLLING, &tie_breaker.to_be_bytes())
    }
}
