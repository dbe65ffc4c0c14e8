//! The playbook language: text in, plan out.
//!
//! Pure and synchronous. Files are read only through a [`loader::Loader`], so
//! every stage can be tested on text alone.

pub mod catalogue;
pub mod diagnostic;
pub mod inventory;
pub mod loader;
mod plain_json;
pub mod plan;
pub mod playbook;
mod profile;
pub mod python;
pub mod source;
pub mod suggest;
pub mod template;
pub mod value;
pub mod vars;
pub mod vault;
pub mod vocabulary;
pub mod yaml;
