//! Variables: levels of precedence and the scope that looks them up.

pub mod precedence;
