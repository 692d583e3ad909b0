//! Placing orders: costs, refusals and replays.

use crate::support::{assert_books_are_clean, balance, ledger, order, shop, units_in_stock};
use local::{World, world::Reply};
use serde_json::{Value, json};

const THREE: [(&str, i64); 3] = [("pen", 1), ("ink", 2), ("pad", 3)];

fn refusal(reply: &Reply) -> (u16, String) {
    (reply.status, reply.problem())
}

fn priced(mut order: Value, prices: &[i64]) -> Value {
    for (item, price) in order["items"].as_array_mut().unwrap().iter_mut().zip(prices) {
        item["expectedPrice"] = json!(price);
    }
    order
}

/// The AWS operations since the last call of this function, each with its read and write units.
fn costs(world: &World) -> Vec<(String, u64, u64)> {
    world
        .take_calls()
        .into_iter()
        .map(|call| (call.operation, call.read_units, call.write_units))
        .collect()
}

#[tokio::test]
async fn an_order_takes_stock_and_points_and_returns_all_its_details() {
    let world = shop().await;
    let placed = world.customer("c1").post("/order", &order("c1", &THREE)).await;
    assert_eq!(placed.status, 200, "{placed:?}");
    let placed = placed.json();
    let expected = json!([
        { "productId": "pen", "quantity": 1, "unitPrice": 1_000, "totalPrice": 1_000 },
        { "productId": "ink", "quantity": 2, "unitPrice": 2_500, "totalPrice": 5_000 },
        { "productId": "pad", "quantity": 3, "unitPrice": 500, "totalPrice": 1_500 },
    ]);
    assert_eq!(placed["items"], expected);
    assert_eq!(
        (&placed["originalAmount"], &placed["discountAmount"], &placed["totalAmount"]),
        (&json!(7_500), &json!(0), &json!(7_500))
    );
    assert_eq!((&placed["status"], &placed["version"]), (&json!("PAID"), &json!(1)));
    assert_eq!(placed["payment"]["status"], json!("PAID"));
    assert_eq!(
        placed["timeline"],
        json!([{ "status": "PAID", "at": placed["placedAt"], "by": "customer:c1" }])
    );
    assert_eq!(
        (
            units_in_stock(&world, "pen").await,
            units_in_stock(&world, "ink").await,
            units_in_stock(&world, "pad").await
        ),
        (9, 8, 7)
    );
    assert_eq!(balance(&world, "c1").await, 92_500);
    assert_eq!(ledger(&world, "c1").await, [("CHARGE".into(), 100_000), ("USE".into(), -7_500)]);
    let path = format!("/orders/{}", placed["orderId"].as_str().unwrap());
    assert_eq!(world.customer("c1").get(&path).await.json(), placed);
    assert_books_are_clean(&world).await;
}

#[tokio::test]
async fn placing_an_order_with_expected_prices_is_one_transaction_of_twelve_write_units() {
    let world = shop().await;
    let body = priced(order("c1", &THREE), &[1_000, 2_500, 500]);
    assert_eq!(world.customer("c1").post_once("/order", &body, "k").await.status, 200);
    assert_eq!(costs(&world), [("TransactWriteItems".into(), 0, 12)]);
}

#[tokio::test]
async fn a_cold_function_reads_the_prices_once_and_a_warm_one_caches_them() {
    let world = shop().await;
    world.customer("c1").post("/order", &order("c1", &THREE)).await;
    let operations: Vec<_> = costs(&world).into_iter().map(|(operation, ..)| operation).collect();
    assert_eq!(operations, ["TransactGetItems", "TransactWriteItems"]);
    world.customer("c1").post("/order", &order("c1", &THREE)).await;
    assert_eq!(costs(&world), [("TransactWriteItems".into(), 0, 12)]);
}

#[tokio::test]
async fn a_replay_is_one_call_and_returns_the_first_response_byte_for_byte() {
    let world = shop().await;
    let customer = world.customer("c1");
    let body = priced(order("c1", &THREE), &[1_000, 2_500, 500]);
    let first = customer.post_once("/order", &body, "k").await;
    world.take_calls();
    for is_cold in [false, true] {
        if is_cold {
            world.cool_down();
        }
        // The second body means the same: other lines in another order, no expected prices. The
        // quotes around the key do not matter either.
        for body in [&body, &order("c1", &[("pad", 3), ("ink", 1), ("pen", 1), ("ink", 1)])] {
            let again = customer.post_once("/order", body, "\"k\"").await;
            assert_eq!((again.status, again.is_replayed(), &again.body), (200, true, &first.body));
            assert_eq!(costs(&world).len(), 1, "cold: {is_cold}");
        }
    }
    assert_eq!(balance(&world, "c1").await, 92_500);
    let other = customer.post_once("/order", &order("c1", &[("pen", 1)]), "k").await;
    assert_eq!(refusal(&other), (422, "idempotency-key-reused".into()));
}

#[tokio::test]
async fn a_replay_takes_precedence_over_every_refusal() {
    let world = shop().await;
    let customer = world.customer("c1");
    let body = order("c1", &[("pen", 10)]);
    let first = customer.post_once("/order", &body, "k").await;
    let spent = balance(&world, "c1").await;
    customer.post("/order", &order("c1", &[("ink", 10)])).await;
    // A new order would be refused now: no stock, another price, not on sale.
    let put = json!({ "name": "Pen", "category": "desk", "price": 9_000, "status": "INACTIVE" });
    world.operator().put("/api/v1/admin/products/pen", &put).await;
    for is_cold in [false, true] {
        if is_cold {
            world.cool_down();
        }
        let again = customer.post_once("/order", &body, "k").await;
        assert_eq!(
            (again.status, again.is_replayed(), &again.body),
            (200, true, &first.body),
            "cold: {is_cold}"
        );
    }
    assert_eq!(spent - balance(&world, "c1").await, 25_000);
}

#[tokio::test]
async fn a_refusal_names_the_product_and_the_available_units_and_changes_nothing() {
    let world = shop().await;
    let customer = world.customer("c1");
    let short = customer.post("/order", &order("c1", &[("pen", 1), ("ink", 11)])).await;
    assert_eq!(refusal(&short), (409, "out-of-stock".into()));
    let (requested, available) =
        (short.json()["requested"].clone(), short.json()["available"].clone());
    assert_eq!(
        (&short.json()["productId"], requested, available),
        (&json!("ink"), json!(11), json!(10))
    );
    let summed = customer.post("/order", &order("c1", &[("ink", 6), ("pen", 1), ("ink", 5)])).await;
    assert_eq!(
        (refusal(&summed), &summed.json()["requested"]),
        ((409, "out-of-stock".into()), &json!(11))
    );
    let unknown = customer.post("/order", &order("c1", &[("pen", 1), ("cup", 1)])).await;
    assert_eq!(
        (refusal(&unknown), &unknown.json()["productId"]),
        ((400, "invalid-product".into()), &json!("cup"))
    );
    world.charge("c2", 999).await;
    let poor = world.customer("c2").post("/order", &order("c2", &[("pen", 1)])).await;
    assert_eq!(refusal(&poor), (409, "insufficient-points".into()));
    assert_eq!((&poor.json()["required"], &poor.json()["balance"]), (&json!(1_000), &json!(999)));
    let mut coupon = order("c1", &[("pen", 1)]);
    coupon["couponId"] = json!("half-price");
    let unusable = customer.post("/order", &coupon).await;
    assert_eq!(
        (refusal(&unusable), &unusable.json()["couponId"]),
        ((409, "coupon-unusable".into()), &json!("half-price"))
    );
    let put = json!({ "name": "Pad", "category": "desk", "price": 500, "status": "INACTIVE" });
    world.operator().put("/api/v1/admin/products/pad", &put).await;
    let withdrawn = customer.post("/order", &order("c1", &[("pad", 1)])).await;
    assert_eq!(
        (refusal(&withdrawn), &withdrawn.json()["productId"]),
        ((409, "not-for-sale".into()), &json!("pad"))
    );
    assert_eq!(
        (
            units_in_stock(&world, "pen").await,
            units_in_stock(&world, "ink").await,
            balance(&world, "c1").await
        ),
        (10, 10, 100_000)
    );
    assert_eq!(ledger(&world, "c1").await.len(), 1);
    assert_books_are_clean(&world).await;
}

#[tokio::test]
async fn a_refusal_takes_at_most_two_calls_warm_or_cold_with_a_key_or_without() {
    let world = shop().await;
    let customer = world.customer("c1");
    let bodies = [
        order("c1", &[("pen", 11)]),
        order("c1", &[("cup", 1)]),
        order("c1", &[("pen", 1), ("ink", 9_999)]),
        priced(order("c1", &[("pen", 1)]), &[999]),
        priced(order("c1", &[("pen", 11)]), &[1_000]),
        order("c2", &[("pen", 1)]),
        priced(order("c2", &[("pen", 1)]), &[1_000]),
    ];
    for is_warm in [false, true] {
        for body in &bodies {
            for key in [None, Some("k")] {
                world.cool_down();
                if is_warm {
                    customer.post("/order", &order("c1", &[("pad", 1)])).await;
                    world.operator().get("/products/pen").await;
                }
                world.take_calls();
                let sender = world.operator();
                let refused = match key {
                    Some(key) => sender.post_once("/order", body, key).await,
                    None => sender.post("/order", body).await,
                };
                assert!(refused.status >= 400, "{refused:?}");
                let calls = costs(&world);
                assert!(calls.len() <= 2, "{body} {key:?}: {calls:?}");
            }
        }
    }
}

#[tokio::test]
async fn a_changed_price_is_never_charged_silently_and_is_reported_before_missing_stock() {
    let world = shop().await;
    let customer = world.customer("c1");
    let changed = customer
        .post("/order", &priced(order("c1", &[("ink", 11), ("pen", 1)]), &[2_500, 900]))
        .await;
    assert_eq!(refusal(&changed), (409, "price-changed".into()));
    let problem = changed.json();
    assert_eq!(
        (&problem["productId"], &problem["expectedPrice"], &problem["price"]),
        (&json!("pen"), &json!(900), &json!(1_000))
    );
    assert_eq!(balance(&world, "c1").await, 100_000);
    // The warm function has cached the price of 1,000. Then the price rises.
    customer.post("/order", &order("c1", &[("pen", 1)])).await;
    let put = json!({ "name": "Pen", "category": "desk", "price": 1_200 });
    world.operator().put("/api/v1/admin/products/pen", &put).await;
    let placed = customer.post("/order", &order("c1", &[("pen", 1)])).await;
    assert_eq!(
        placed.json()["totalAmount"],
        json!(1_200),
        "a stale cache never sells at the old price"
    );
    assert_eq!(balance(&world, "c1").await, 97_800);
    let stated = customer.post("/order", &priced(order("c1", &[("pen", 1)]), &[1_000])).await;
    assert_eq!(refusal(&stated), (409, "price-changed".into()));
}

#[tokio::test]
async fn an_invalid_order_is_refused_before_anything_is_read() {
    let world = shop().await;
    let many: Vec<String> = (0..31).map(|n| format!("p{n}")).collect();
    let many: Vec<(&str, i64)> = many.iter().map(|id| (id.as_str(), 1)).collect();
    for (items, slug) in [
        (vec![], "empty-order"),
        (many, "too-many-lines"),
        (vec![("pen", 0)], "invalid-quantity"),
        (vec![("pen", -1)], "invalid-quantity"),
        (vec![("pen", 10_000)], "invalid-quantity"),
        (vec![("pen", 5_000), ("pen", 5_000)], "invalid-quantity"),
    ] {
        let refused = world.customer("c1").post("/order", &order("c1", &items)).await;
        assert_eq!(refusal(&refused), (400, slug.into()));
    }
    assert_eq!(world.take_calls(), []);
}

#[tokio::test]
async fn an_order_above_the_maximum_amount_is_refused() {
    let world = shop().await;
    world.stock("gold", 1_000_000_000, 9_999).await;
    let refused = world.customer("c1").post("/order", &order("c1", &[("gold", 9_999)])).await;
    assert_eq!(refusal(&refused), (400, "amount-too-large".into()));
    let stated = priced(order("c1", &[("gold", 9_999)]), &[1_000_000_000]);
    assert_eq!(
        refusal(&world.customer("c1").post("/order", &stated).await),
        (400, "amount-too-large".into())
    );
}

#[tokio::test]
async fn a_new_customer_can_order_a_free_product() {
    let world = shop().await;
    world.stock("leaflet", 0, 5).await;
    let placed = world.customer("new").post("/order", &order("new", &[("leaflet", 1)])).await;
    assert_eq!((placed.status, &placed.json()["totalAmount"]), (200, &json!(0)));
    assert_books_are_clean(&world).await;
}

#[tokio::test]
async fn products_of_a_store_need_a_delivery_and_are_ordered_from_one_store_at_a_time() {
    let world = shop().await;
    for store in ["s1", "s2"] {
        world
            .operator()
            .put(&format!("/api/v1/admin/stores/{store}"), &crate::support::kitchen::store(true))
            .await;
    }
    for (id, store) in [("soup", "s1"), ("rice", "s1"), ("cake", "s2")] {
        let put = json!({ "name": id, "category": "food", "price": 1_000, "storeId": store });
        world.operator().put(&format!("/api/v1/admin/products/{id}"), &put).await;
        world
            .operator()
            .post(&format!("/api/v1/admin/products/{id}/stock"), &json!({ "delta": 10 }))
            .await;
    }
    let customer = world.customer("c1");
    let delivery = json!({ "address": "Seoul, Sejong-daero 110", "lat": 37.5665, "lng": 126.978, "phone": "010-1234-5678" });
    let delivered = |items: &[(&str, i64)]| {
        let mut body = order("c1", items);
        body["delivery"] = delivery.clone();
        body
    };
    for is_warm in [false, true] {
        let bare = customer.post("/order", &order("c1", &[("soup", 1)])).await;
        assert_eq!(
            (refusal(&bare), &bare.json()["errors"][0]["field"]),
            ((400, "malformed-request".into()), &json!("delivery"))
        );
        let stated = customer.post("/order", &priced(order("c1", &[("soup", 1)]), &[1_000])).await;
        assert_eq!(refusal(&stated), (400, "malformed-request".into()));
        for mixed in [delivered(&[("soup", 1), ("cake", 1)]), delivered(&[("soup", 1), ("pen", 1)])]
        {
            assert_eq!(
                refusal(&customer.post("/order", &mixed).await),
                (400, "mixed-stores".into()),
                "warm: {is_warm}"
            );
        }
        let placed = customer.post("/order", &delivered(&[("soup", 1), ("rice", 2)])).await;
        assert_eq!(
            (placed.status, &placed.json()["storeId"], &placed.json()["delivery"]),
            (200, &json!("s1"), &delivery)
        );
    }
    let placed = customer.post("/order", &priced(delivered(&[("soup", 1)]), &[1_000])).await.json();
    let path = format!("/orders/{}", placed["orderId"].as_str().unwrap());
    assert_eq!(world.caller("store", "clerk", Some("s1")).get(&path).await.status, 200);
    assert_eq!(world.caller("store", "clerk", Some("s2")).get(&path).await.status, 404);
    assert_books_are_clean(&world).await;
}
