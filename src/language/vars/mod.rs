//! Variables: levels of precedence and the scope that looks them up.

pub mod precedence;
pub mod scope;

pub use precedence::Level;
pub use scope::{HostVars, Scope};
