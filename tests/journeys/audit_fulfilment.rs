//! The audit reports each inconsistency between orders and their projections (completed-order
//! counts, order views, store boards, waiting deliveries), and nothing else.

use crate::support::{
    assert_books_are_clean,
    audit::{violation, violations},
    kitchen::{advance_to, kitchen, place_order},
};
use local::World;
use serde_json::{Value, json};
use std::time::Duration;

/// A kitchen with one completed order, one that waits for a rider and one that is picked up, with
/// their ids. The orders are two hours old: the audit ignores projections of orders that changed
/// less than an hour ago.
async fn busy() -> (World, [String; 3]) {
    let world = kitchen().await;
    let mut ids = Vec::new();
    for status in ["COMPLETED", "COOKED", "PICKED_UP"] {
        let id = place_order(&world, &[("gimbap", 1)]).await;
        advance_to(&world, &id, status).await;
        ids.push(id);
    }
    world.settle().await;
    world.advance(Duration::from_hours(2));
    (world, ids.try_into().unwrap())
}

async fn delete(world: &World, table: &str, pk: &str, sk: &str) {
    let key = json!({ "pk": { "S": pk }, "sk": { "S": sk } });
    assert_eq!(
        world.dynamodb("DeleteItem", json!({ "TableName": table, "Key": key })).await,
        json!({})
    );
}

#[tokio::test]
async fn projections_are_checked() {
    let (world, _) = busy().await;
    assert_books_are_clean(&world).await;
    let audit = world.operator().get("/api/v1/admin/audit").await.json();
    let checked = |law: &str| {
        let laws = audit["laws"].as_array().unwrap().iter();
        laws.clone().find(|one| one["law"] == json!(law)).map(|one| one["checked"].clone())
    };
    assert_eq!(checked("order-view-is-the-order"), Some(json!(3)));
    assert_eq!(checked("store-order-on-its-board"), Some(json!(3)));
    assert_eq!(checked("delivery-waits-while-cooked"), Some(json!(3)));
    assert_eq!(
        checked("completed-order-counted-once"),
        Some(json!(3)),
        "the customer, the completed order and its counting row"
    );
}

#[tokio::test]
async fn an_uncounted_completed_order_and_a_counted_open_order_are_found() {
    let (world, [completed, ..]) = busy().await;
    let law = "completed-order-counted-once";
    delete(&world, "CustomersTable", "CUSTOMER#c1", &format!("COMPLETED#{completed}")).await;
    let expected = [
        violation(law, "customer/c1", "0", "1"),
        violation(law, &format!("order/{completed}"), "counted for c1", "not counted"),
    ];
    assert_eq!(violations(&world).await, expected);

    let (world, [_, cooked, _]) = busy().await;
    let counted = json!({
        "pk": { "S": "CUSTOMER#c1" }, "sk": { "S": format!("COMPLETED#{cooked}") }, "orderId": { "S": cooked },
        "completedAt": { "S": "2026-01-05T03:04:05.000Z" },
    });
    world.dynamodb("PutItem", json!({ "TableName": "CustomersTable", "Item": counted })).await;
    let expected = [
        violation(law, &format!("order/{cooked}"), "complete, of c1", "Cooked"),
        violation(law, "customer/c1", "2", "1"),
    ];
    let mut found = violations(&world).await;
    found.sort_unstable_by_key(|one| one[1] == "customer/c1");
    assert_eq!(found, expected);
}

#[tokio::test]
async fn a_missing_order_view_is_found_after_the_projection_delay() {
    let (world, [completed, ..]) = busy().await;
    delete(&world, "ViewsTable", &format!("ORDER#{completed}"), "VIEW").await;
    let key = format!("order/{completed}");
    let missing = violation("order-view-is-the-order", &key, "version 6, Completed", "missing");
    assert_eq!(violations(&world).await, [missing]);

    let (world, _) = busy().await;
    world.enable("project-order-views", false);
    let id = place_order(&world, &[("gimbap", 1)]).await;
    world.settle().await;
    assert_eq!(
        violations(&world).await,
        Vec::<[String; 4]>::new(),
        "the projection may lag behind for now"
    );
    world.advance(Duration::from_hours(2));
    let missing =
        violation("order-view-is-the-order", &format!("order/{id}"), "version 1, Paid", "missing");
    assert_eq!(violations(&world).await, [missing]);
}

#[tokio::test]
async fn an_order_missing_from_its_store_board_is_found_while_it_belongs_there() {
    let (world, [completed, cooked, _]) = busy().await;
    for id in [&completed, &cooked] {
        let placed_at =
            crate::support::text(&crate::support::get_order(&world, id).await, "placedAt");
        delete(&world, "ViewsTable", "STORE#s1", &format!("ORDER#{placed_at}#{id}")).await;
    }
    let law = "store-order-on-its-board";
    let missing =
        |id: &str, expected: &str| violation(law, &format!("order/{id}"), expected, "missing");
    let mut expected =
        [missing(&completed, "version 6, Completed"), missing(&cooked, "version 4, Cooked")];
    expected.sort_unstable();
    let mut found = violations(&world).await;
    found.sort_unstable();
    assert_eq!(found, expected);
    world.advance(Duration::from_hours(31 * 24));
    assert_eq!(
        violations(&world).await,
        [missing(&cooked, "version 4, Cooked")],
        "an ended order leaves the board"
    );
    world.fire("rebuild-views").await.unwrap();
    assert_books_are_clean(&world).await;
}

#[tokio::test]
async fn a_waiting_delivery_not_listed_and_a_taken_one_still_listed_are_found() {
    let (world, [completed, cooked, picked_up]) = busy().await;
    let row = |id: &str| json!({ "TableName": "ViewsTable", "Key": { "pk": { "S": format!("DELIVERY#{id}") }, "sk": { "S": "DELIVERY" } } });
    let waiting: Value = world.dynamodb("GetItem", row(&cooked)).await["Item"]["waiting"].clone();
    for id in [&picked_up, &completed] {
        let (mut set, mut waiting) = (row(id), waiting.clone());
        waiting["M"]["orderId"] = json!({ "S": id });
        set["UpdateExpression"] = json!("SET waiting = :w");
        set["ExpressionAttributeValues"] = json!({ ":w": waiting });
        assert_eq!(world.dynamodb("UpdateItem", set).await, json!({}));
    }
    let mut remove = row(&cooked);
    remove["UpdateExpression"] = json!("REMOVE waiting");
    assert_eq!(world.dynamodb("UpdateItem", remove).await, json!({}));
    let (law, waits, does_not) =
        ("delivery-waits-while-cooked", "it waits for a rider", "it does not wait for a rider");
    let mut expected = [
        violation(law, &format!("order/{cooked}"), waits, does_not),
        violation(law, &format!("order/{picked_up}"), does_not, waits),
        violation(law, &format!("order/{completed}"), does_not, waits),
    ];
    expected.sort_unstable();
    let mut found = violations(&world).await;
    found.sort_unstable();
    assert_eq!(found, expected);
    world.fire("rebuild-views").await.unwrap();
    assert_books_are_clean(&world).await;
    let found = world.operator().get("/deliveries?lat=37.5551&lng=126.9245").await.json();
    assert_eq!(found["deliveries"].as_array().unwrap().len(), 1);
    assert_eq!(found["deliveries"][0]["orderId"], json!(cooked));
}
