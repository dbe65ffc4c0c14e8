//! `ocplay lab`.

use super::Outcome;
use crate::lab::LabCommand;

pub(crate) fn run(command: &LabCommand) -> Outcome {
    crate::lab::lab(command, &mut std::io::stdout()).map_err(|problem| vec![*problem])
}
