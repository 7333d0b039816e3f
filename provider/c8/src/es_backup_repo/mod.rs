//! tmp
pub mod cloud;
pub mod key;
pub mod names;
pub mod plan;
