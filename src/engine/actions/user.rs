//! `user`: the controller's part in removing one: its agents are ended first,
//! since a user who has processes cannot be removed.

use ocplay_protocol::coerce;

use super::{Call, host};
use crate::outcome::ActionOutcome;

pub(super) async fn run(call: &Call<'_>) -> ActionOutcome {
    let text = |name: &str| {
        call.args
            .get(name)
            .and_then(|value| coerce::text(&value.to_json()).ok())
    };
    if text("state").as_deref() == Some("absent")
        && !call.settings.check
        && let Some(name) = text("name").or_else(|| text("user"))
    {
        call.shared.pool.leave(&call.worker(), &name).await;
    }
    host::run(call, "user").await
}
