//! What all loads measure: figures with their units, samples of them, medians and spreads.

mod findings;
mod metric;
mod sample;
mod spread;

pub(crate) use findings::{Findings, Place};
pub(crate) use metric::{Metric, Unit};
pub(crate) use sample::Sample;
pub(crate) use spread::Spread;
