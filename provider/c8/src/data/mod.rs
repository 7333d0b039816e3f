//! Data sources: looking at an installation without owning anything of it.

mod dr_state;
mod regions;
mod topology;

pub use dr_state::DrStateSource;
pub use topology::TopologySource;
