//! The audit reports each inconsistency that a test writes into the tables, and nothing else.

use crate::support::{
    audit::{violation, violations},
    order, shop,
};
use local::World;
use serde_json::json;

/// Sets a number in a customer's or a product's row directly in DynamoDB, bypassing all functions.
async fn set(world: &World, table: &str, pk: &str, sk: &str, attribute: &str, value: i64) {
    let request = json!({
        "TableName": table, "Key": { "pk": { "S": pk }, "sk": { "S": sk } },
        "UpdateExpression": "SET #a = :v", "ExpressionAttributeNames": { "#a": attribute },
        "ExpressionAttributeValues": { ":v": { "N": value.to_string() } },
    });
    assert_eq!(world.dynamodb("UpdateItem", request).await, json!({}));
}

/// A shop in which `c1` has ordered two pens, with the ids of the order and of its ledger entry.
async fn sold() -> (World, String, String) {
    let world = shop().await;
    let placed = world.customer("c1").post("/order", &order("c1", &[("pen", 2)])).await.json();
    let history = world.customer("c1").get("/points/c1/history").await.json();
    let entry = history["entries"][0]["entryId"].as_str().unwrap().to_owned();
    (world, placed["orderId"].as_str().unwrap().to_owned(), entry)
}

#[tokio::test]
async fn consistent_books_are_clean_and_the_report_counts_what_was_checked() {
    let (world, ..) = sold().await;
    assert_eq!(
        world.operator().get("/api/v1/admin/audit").await.status,
        404,
        "no audit has run yet"
    );
    let audit = world.audit().await;
    let laws = json!([
        { "law": "ledger-sums-to-balance", "checked": 1 },
        { "law": "order-paid-by-one-entry", "checked": 2 },
        { "law": "order-charged-by-one-attempt", "checked": 1 },
        { "law": "attempt-settled-in-a-day", "checked": 0 },
        { "law": "points-charged-as-card", "checked": 0 },
        { "law": "stock-is-put-in-less-sold", "checked": 3 },
        { "law": "nothing-negative", "checked": 4 },
        { "law": "unpaid-orders-are-held", "checked": 0 },
        { "law": "rider-has-open-deliveries", "checked": 0 },
        { "law": "coupons-issued-as-counted", "checked": 0 },
        { "law": "coupon-used-by-one-order", "checked": 0 },
        { "law": "completed-order-counted-once", "checked": 1 },
        { "law": "order-view-is-the-order", "checked": 0 },
        { "law": "store-order-on-its-board", "checked": 0 },
        { "law": "delivery-waits-while-cooked", "checked": 0 },
        { "law": "campaign-order-is-the-order", "checked": 0 },
        { "law": "campaign-days-sum-their-orders", "checked": 0 },
        { "law": "channel-order-took-its-stock", "checked": 0 },
        { "law": "channel-order-reserves-what-it-has", "checked": 0 },
        { "law": "channel-order-is-listed", "checked": 0 },
    ]);
    assert_eq!(
        (&audit["clean"], &audit["laws"], &audit["violations"]),
        (&json!(true), &laws, &json!([]))
    );
}

#[tokio::test]
async fn a_balance_that_differs_from_the_ledger_sum_is_found() {
    let (world, ..) = sold().await;
    set(&world, "CustomersTable", "CUSTOMER#c1", "POINTS", "balance", 98_001).await;
    assert_eq!(
        violations(&world).await,
        [violation("ledger-sums-to-balance", "customer/c1", "98000", "98001")]
    );
}

#[tokio::test]
async fn an_order_without_its_ledger_entry_is_found() {
    let (world, order_id, entry) = sold().await;
    let key = json!({ "pk": { "S": "CUSTOMER#c1" }, "sk": { "S": format!("LEDGER#{entry}") } });
    world.dynamodb("DeleteItem", json!({ "TableName": "CustomersTable", "Key": key })).await;
    let expected = [
        violation("ledger-sums-to-balance", "customer/c1", "100000", "98000"),
        violation(
            "order-paid-by-one-entry",
            &format!("order/{order_id}"),
            &format!("-2000 for {order_id}"),
            "no entry",
        ),
    ];
    assert_eq!(violations(&world).await, expected);
}

#[tokio::test]
async fn an_order_whose_ledger_entry_has_another_amount_is_found() {
    let (world, order_id, entry) = sold().await;
    set(&world, "CustomersTable", "CUSTOMER#c1", &format!("LEDGER#{entry}"), "amount", -1_999)
        .await;
    let found = violations(&world).await;
    let wrong = violation(
        "order-paid-by-one-entry",
        &format!("order/{order_id}"),
        &format!("-2000 for {order_id}"),
        &format!("-1999 for {order_id}"),
    );
    assert!(found.contains(&wrong), "{found:?}");
    assert_eq!(found.len(), 2, "the second violation: the ledger does not sum to the balance");
}

#[tokio::test]
async fn an_order_with_two_payment_entries_is_found() {
    let (world, order_id, entry) = sold().await;
    let second = json!({
        "pk": { "S": "CUSTOMER#c1" }, "sk": { "S": "LEDGER#ent_2" }, "entryId": { "S": "ent_2" }, "kind": { "S": "USE" },
        "amount": { "N": "-2000" }, "reference": { "S": order_id }, "at": { "S": "2026-01-05T00:00:00.000Z" },
    });
    world.dynamodb("PutItem", json!({ "TableName": "CustomersTable", "Item": second })).await;
    set(&world, "CustomersTable", "CUSTOMER#c1", "POINTS", "balance", 96_000).await;
    let expected = violation(
        "order-paid-by-one-entry",
        "entry/c1/ent_2",
        &format!("the entry of order {order_id}"),
        &format!("the order names c1/{entry}"),
    );
    assert_eq!(violations(&world).await, [expected]);
}

#[tokio::test]
async fn a_stock_that_differs_from_its_movements_is_found() {
    let (world, ..) = sold().await;
    set(&world, "ProductsTable", "PRODUCT#pen", "STOCK#0", "quantity", 9).await;
    assert_eq!(
        violations(&world).await,
        [violation("stock-is-put-in-less-sold", "product/pen", "8", "9")]
    );
}

#[tokio::test]
async fn negative_balances_and_stocks_are_found() {
    let (world, ..) = sold().await;
    set(&world, "ProductsTable", "PRODUCT#ink", "STOCK#0", "quantity", -1).await;
    set(&world, "CustomersTable", "CUSTOMER#c1", "POINTS", "balance", -5).await;
    let found = violations(&world).await;
    for (key, value) in [("customer/c1", "-5"), ("product/ink", "-1")] {
        let negative = violation("nothing-negative", key, "0 or more", value);
        assert!(found.contains(&negative), "{found:?}");
    }
}

#[tokio::test]
async fn the_audit_reads_every_page_of_large_books() {
    let (world, ..) = sold().await;
    // More rows than fit on one page, for one customer and for one product.
    for number in 0..1_300 {
        let entry = json!({
            "pk": { "S": "CUSTOMER#big" }, "sk": { "S": format!("LEDGER#ent_{number:05}") }, "entryId": { "S": format!("ent_{number:05}") },
            "kind": { "S": "CHARGE" }, "amount": { "N": "1" }, "reference": { "S": "x" }, "at": { "S": "2026-01-05T00:00:00.000Z" },
        });
        world.dynamodb("PutItem", json!({ "TableName": "CustomersTable", "Item": entry })).await;
        let movement = json!({
            "pk": { "S": "PRODUCT#pad" }, "sk": { "S": format!("MOVE#{number:05}") }, "delta": { "N": "1" },
            "at": { "S": "2026-01-05T00:00:00.000Z" },
        });
        world.dynamodb("PutItem", json!({ "TableName": "ProductsTable", "Item": movement })).await;
    }
    set(&world, "CustomersTable", "CUSTOMER#big", "POINTS", "balance", 1_300).await;
    set(&world, "ProductsTable", "PRODUCT#pad", "STOCK#0", "quantity", 1_310).await;
    assert_eq!(violations(&world).await, Vec::<[String; 4]>::new());
    set(&world, "CustomersTable", "CUSTOMER#big", "POINTS", "balance", 1_299).await;
    set(&world, "ProductsTable", "PRODUCT#pad", "STOCK#0", "quantity", 1_311).await;
    assert_eq!(violations(&world).await.len(), 2);
}
