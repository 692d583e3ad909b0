//! Updates of another system's orders.

use local::{World, world::Client};
use serde_json::{Value, json};

/// The body of an update of the mall's order with this version and status. Its `updatedAt` is
/// `version` minutes after 03:00.
pub(crate) fn update_body(version: u64, status: &str) -> Value {
    json!({
        "version": version, "updatedAt": format!("2026-01-05T03:{version:02}:00Z"), "status": status, "customerId": "c9",
        "campaignId": "spring", "items": [{ "productId": "tent", "quantity": 2, "unitPrice": 45_000 }],
        "discountAmount": 10_000, "placedAt": "2026-01-05T02:59:00Z",
    })
}

pub(crate) fn partner(world: &World) -> Client<'_> {
    world.partner_with("mall", "orders.read orders.personal orders.collect:mall campaigns.read")
}
