//! Data sources: looking at an installation without owning anything of it.

mod dr_state;

pub use dr_state::DrStateSource;
