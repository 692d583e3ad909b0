//! Notifications, and the stubs of the notifiers.

use crate::support::{kitchen::add_store, text};
use local::{World, partners::Received};
use serde_json::{Value, json};

/// A kitchen that notifies its customers through this notifier. `parameter` is a further template
/// parameter.
pub(crate) async fn kitchen_with_notifier(
    notifier: &str,
    parameter: Option<(&str, &str)>,
) -> World {
    let clock = Some(local::Clock::held_at(local::world::BEGINNING.parse().unwrap()));
    let parameters = [("Notifier", notifier)].into_iter().chain(parameter);
    let parameters = parameters.map(|(name, value)| (name.to_owned(), value.to_owned())).collect();
    let world = World::with(local::Options { parameters, clock, ..World::options() }).await;
    add_store(&world).await;
    world
}

/// A kitchen that notifies its customers through NHN Cloud.
pub(crate) async fn kitchen_of_nhn_cloud() -> World {
    kitchen_with_notifier("NHN_CLOUD", None).await
}

/// The requests that a notifier's stub received, each with its response.
pub(crate) fn received(world: &World, notifier: &str) -> Vec<Received> {
    world.partner(notifier).requests()
}

/// The messages that Solapi's stub received. Each request holds one.
pub(crate) fn messages(world: &World) -> Vec<Value> {
    let message = |request: &Received| {
        serde_json::from_str::<Value>(&request.body).unwrap()["messages"][0].clone()
    };
    received(world, "solapi").iter().map(message).collect()
}

/// The messages that a notifier's stub accepted: the id and the type of each.
pub(crate) fn accepted_messages(world: &World, notifier: &str) -> Vec<(String, String)> {
    let books = world.partner(notifier).books();
    books["messages"]
        .as_array()
        .unwrap()
        .iter()
        .map(|one| (text(one, "id"), text(one, "type")))
        .collect()
}

/// The notifications in an order's view: order status, channel and result of each.
pub(crate) async fn notifications(world: &World, id: &str) -> Vec<(String, String, String)> {
    let view = world.operator().get(&format!("/order-views/{id}")).await.json();
    let one = |one: &Value| (text(one, "orderStatus"), text(one, "channel"), text(one, "status"));
    view["notifications"].as_array().unwrap().iter().map(one).collect()
}

/// A notification as [`notifications`] returns it.
pub(crate) fn notification_result(
    status: &str,
    channel: &str,
    outcome: &str,
) -> (String, String, String) {
    (status.to_owned(), channel.to_owned(), outcome.to_owned())
}

/// Sets the phone number of `c1` and the channels on which `c1` accepts notifications.
pub(crate) async fn prefers(world: &World, kakao: bool, sms: bool) {
    let about = json!({ "name": "Minji", "phone": "010-9876-5432", "notify": { "kakao": kakao, "sms": sms } });
    assert_eq!(world.operator().put("/customers/c1", &about).await.status, 200);
}

/// Writes a claim for a notification of an order's first version, made now by a worker that never
/// continues.
pub(crate) async fn abandoned_claim(world: &World, id: &str, channel: &str) {
    let item = json!({
        "pk": { "S": format!("ORDER#{id}") }, "sk": { "S": format!("NOTIFICATION#000001#{channel}") },
        "version": { "N": "1" }, "orderStatus": { "S": "PAID" }, "channel": { "S": channel },
        "status": { "S": "SENDING" }, "at": { "S": world.now() },
    });
    assert_eq!(
        world.dynamodb("PutItem", json!({ "TableName": "ViewsTable", "Item": item })).await,
        json!({})
    );
}
