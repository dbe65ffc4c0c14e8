//! Playbooks: from YAML nodes to plays, blocks and tasks.

pub mod ast;
pub(crate) mod freeform;
pub(crate) mod keywords;
mod parse_play;
mod parse_task;
mod reader;

pub use freeform::{first_word, split_pairs};
pub use keywords::{is_reserved_name, keyword_name};
pub use parse_play::{parse_playbook, parse_role_meta};
pub use parse_task::{keywords_of, parse_task_list};
pub use reader::{is_variable_name, reserved_name};
