//! XML: documents as trees, and XPath to find things in them.

mod parse;
pub(crate) mod tree;
mod write;
pub(crate) mod xpath;
