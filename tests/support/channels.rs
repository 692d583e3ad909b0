//! Sales channels, and the stubs of their marketplaces.

use crate::support::{pass_time, text};
use local::{World, partners::Behaviour};
use serde_json::{Value, json};
use std::{collections::BTreeMap, time::Duration};

pub(crate) const CHANNELS: &str = "/api/v1/admin/channels";

/// Registers a shop of a marketplace's stub as a channel and returns the channel's id.
pub(crate) async fn register(world: &World, partner: &str, shop: usize) -> String {
    let channel = json!({
        "name": format!("{partner} {shop}"), "type": partner.to_uppercase(), "intervalMinutes": 10,
        "credentials": world.partner(partner).credentials["shops"][shop],
    });
    let reply = world.operator().post(CHANNELS, &channel).await;
    assert_eq!(reply.status, 201, "{reply:?}");
    text(&reply.json(), "channelId")
}

/// Performs an action on a marketplace's stub.
pub(crate) fn stage(world: &World, partner: &str, action: Value) {
    world.partner(partner).stage(&action).unwrap();
}

/// Places an order with one item, two units of product 900, on a marketplace.
pub(crate) fn place(world: &World, partner: &str, order: u64) {
    let status = if partner == "coupang" { "ACCEPT" } else { "PAYED" };
    let item = json!({ "item": order * 10, "product": 900, "quantity": 2, "price": 5_000, "discount": 1_000 });
    let placed = json!({ "order": order, "status": status, "inflow": "spring", "buyer": "b7", "items": [item] });
    stage(world, partner, json!({ "place": placed }));
}

/// Requests a collection of a channel, lets it take effect, and returns its run.
pub(crate) async fn collect(world: &World, channel: &str) -> Value {
    let requested =
        world.operator().post(&format!("{CHANNELS}/{channel}/collect"), &json!({})).await;
    assert_eq!(requested.status, 202, "{requested:?}");
    pass_time(world, Duration::from_secs(1)).await;
    for _ in 0..30 {
        let runs = runs(world, channel).await;
        if let Some(run) = runs.into_iter().find(|run| run["runId"] == requested.json()["runId"]) {
            return run;
        }
        // Another run is in progress: the schedule requests this one after it.
        a_minute_passes(world).await;
    }
    panic!("{requested:?} never started")
}

/// Advances time by one minute and fires the schedules.
pub(crate) async fn a_minute_passes(world: &World) {
    pass_time(world, Duration::from_mins(1)).await;
    world.fire("schedule-collections").await.unwrap();
    world.settle().await;
}

pub(crate) async fn runs(world: &World, channel: &str) -> Vec<Value> {
    let reply = world.operator().get(&format!("{CHANNELS}/{channel}/runs?limit=100")).await.json();
    reply["runs"].as_array().unwrap().clone()
}

/// The orders of a channel by their external ids.
pub(crate) async fn orders(world: &World, channel: &str) -> BTreeMap<String, Value> {
    let (mut orders, mut cursor) = (BTreeMap::new(), String::new());
    loop {
        let page = world
            .operator()
            .get(&format!("/api/v1/admin/orders?channelId={channel}&limit=100{cursor}"))
            .await;
        assert_eq!(page.status, 200, "{page:?}");
        for order in page.json()["orders"].as_array().unwrap() {
            assert!(
                orders.insert(text(order, "externalOrderId"), order.clone()).is_none(),
                "{order} is listed twice"
            );
        }
        match page.json()["nextCursor"].as_str() {
            Some(next) => cursor = format!("&cursor={next}"),
            None => return orders,
        }
    }
}

pub(crate) const PARTNERS: [&str; 2] = ["coupang", "smartstore"];

/// Replaces the behaviour of a marketplace's stub: the default one, with these quirks.
pub(crate) fn quirks(world: &World, partner: &str, quirks: &[&str]) {
    let quirks = quirks.iter().map(|quirk| (*quirk).to_owned()).collect();
    world.partner(partner).behave(Behaviour { quirks, ..Behaviour::default() });
}

/// Lets time pass minute by minute until the latest run of a channel has ended. Returns that run,
/// or null if there is none. Panics after 30 minutes.
pub(crate) async fn run_until_ended(world: &World, channel: &str) -> Value {
    for _ in 0..30 {
        let last = runs(world, channel).await.into_iter().next();
        if last.as_ref().is_none_or(|last| last["status"] != "RUNNING") {
            return last.unwrap_or_default();
        }
        a_minute_passes(world).await;
    }
    panic!("{:?}", runs(world, channel).await)
}
