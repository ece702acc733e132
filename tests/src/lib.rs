//! Whole-system tests of Millrace.
