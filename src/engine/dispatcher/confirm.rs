//! `--step`: asks before each task whether to run it.

use super::Dispatcher;
use crate::event::{Answer, Question, TaskInfo, ask};

impl Dispatcher {
    /// Whether a task is wanted. Nothing typed, and nobody there to type, is
    /// a no; `c` answers for all that follow.
    pub(super) async fn confirmed(&mut self, task: &TaskInfo) -> bool {
        if !self.stepwise {
            return true;
        }
        let text = format!("Perform task: TASK: {} (N)o/(y)es/(c)ontinue: ", task.title);
        let question = Question {
            text,
            piped: true,
            ..Question::default()
        };
        match ask(&self.shared.events, question).await {
            Answer::Text(text) => match text.reveal().trim().to_lowercase().as_str() {
                "y" | "yes" => true,
                "c" | "continue" => {
                    self.stepwise = false;
                    true
                }
                _ => false,
            },
            Answer::Aborted => {
                self.stop.store(true, std::sync::atomic::Ordering::Relaxed);
                false
            }
            Answer::NobodyThere => false,
        }
    }
}
