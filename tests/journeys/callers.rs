//! Access control: every route is called by every role.

use crate::support::{
    kitchen::{advance_to, chef, kitchen, place_order},
    order, shop, text,
};
use domain::Role;
use edge::{Access, Method, Route};
use local::world::{Client, Reply};
use serde_json::{Value, json};

/// Calls a route with a path and a body that are valid for this customer and for an operator.
async fn call(caller: &Client<'_>, route: &Route, customer: &str) -> Reply {
    let query = match route.path {
        "/orders" | "/order-views" => format!("?customerId={customer}"),
        "/deliveries" => "?lat=37.5&lng=127".to_owned(),
        _ => String::new(),
    };
    let path = (route.path.to_owned() + &query)
        .replace("{customerId}", customer)
        .replace("{productId}", "pen")
        .replace("{orderId}", "ord_1")
        .replace("{sourceId}", "spring")
        .replace("{storeId}", "s1")
        .replace("{source}", "mall")
        .replace("{campaignId}", "spring")
        .replace("{name}", "warehouse")
        .replace("{id}", "dlv_1")
        .replace("{externalOrderId}", "e-1");
    let body = match route.path {
        "/points/charge" => json!({ "customerId": customer, "amount": 1 }),
        "/order" => order(customer, &[("pen", 1)]),
        path if path.ends_with("/stock") => json!({ "delta": 1 }),
        path if path.ends_with("/pay") => json!({ "method": "POINTS" }),
        path if path.ends_with("/issue") => json!({ "customerId": customer }),
        path if path.starts_with("/carts") => json!({ "quantity": 1 }),
        path if path.contains("/coupon-sources/") => crate::support::coupon_source(1),
        path if path.ends_with("/status") => {
            json!({ "status": "SHIPPED", "at": "2026-01-05T03:04:05Z" })
        }
        path if path.starts_with("/integrations/orders/{source}") => {
            crate::support::external_orders::update_body(1, "PAID")
        }
        path if path.contains("/webhooks") => {
            json!({ "url": "https://example.com", "events": ["*"] })
        }
        path if path.contains("/channels/{channelId}/products/") => json!({ "productId": "pen" }),
        path if path.contains("/channels") => json!({ "name": "Mock", "type": "MOCK" }),
        path if path.contains("/stores/") => crate::support::kitchen::store(true),
        path if path.ends_with("/pick-up") => json!({ "riderId": "c1" }),
        path if path.ends_with("/ship") => json!({ "carrier": "CJ", "trackingNumber": "1" }),
        path if path.starts_with("/customers") => {
            json!({ "name": "Minji", "phone": "010-1234-5678" })
        }
        _ => json!({ "name": "Pen", "category": "desk", "price": 1_000 }),
    };
    match route.method {
        Method::Get => caller.get(&path).await,
        Method::Post => caller.post(&path, &body).await,
        Method::Put => caller.put(&path, &body).await,
        Method::Patch => caller.patch(&path, &body).await,
        Method::Delete => caller.delete(&path).await,
        Method::Any => unreachable!("no API route uses `Method::Any`"),
    }
}

#[tokio::test]
async fn every_route_accepts_exactly_its_roles() {
    let world = shop().await;
    for route in admin::ROUTES {
        let without_token = call(&world.anyone(), route, "c1").await;
        assert_eq!(without_token.status == 401, route.access != Access::Public, "{route:?}");
        for role in Role::ALL {
            let caller = world.caller(role.as_str(), "c1", Some("s1"));
            let reply = call(&caller, route, "c1").await;
            let is_allowed = match route.access {
                Access::Public => true,
                Access::Roles(roles) => roles.contains(&role),
                // A partner without a scope may call nothing.
                Access::Permissions(_) => role == Role::Operator,
            };
            assert_eq!(reply.problem() != "forbidden", is_allowed, "{role} {route:?} {reply:?}");
            assert_ne!(reply.status, 401);
            let is_stored =
                reply.headers.get("cache-control").is_none_or(|value| value != "no-store");
            assert_eq!(is_stored, route.access == Access::Public, "{role} {route:?}");
        }
        for (role, sub, store) in [
            ("admin", "c1", None),
            ("customer", "not an id", None),
            ("store", "c1", None),
            ("rider", "", None),
            ("operator", "", None),
            ("partner", "not an id", None),
        ] {
            let reply = call(&world.caller(role, sub, store), route, "c1").await;
            assert_eq!(
                reply.problem() == "forbidden",
                route.access != Access::Public,
                "{role} {sub:?} {route:?}"
            );
        }
    }
}

/// The scopes that open a route to a partner. The source in a path is `mall`.
const SCOPES_OF_ROUTES: [(&str, &[&str]); 8] = [
    ("GET /integrations/orders", &["orders.read", "orders.personal"]),
    (
        "GET /integrations/orders/{orderId}",
        // The order decides whether a partner may read it.
        &["orders.read", "orders.personal", "orders.collect:mall", "orders.collect:shop"],
    ),
    (
        "GET /integrations/orders/{source}/{externalOrderId}",
        &["orders.read", "orders.personal", "orders.collect:mall"],
    ),
    (
        "GET /integrations/sources/{source}/orders",
        &["orders.read", "orders.personal", "orders.collect:mall"],
    ),
    ("PUT /integrations/orders/{source}/{externalOrderId}", &["orders.collect:mall"]),
    ("POST /integrations/orders/{source}/{externalOrderId}/status", &["orders.collect:mall"]),
    ("GET /campaigns/{campaignId}/orders", &["campaigns.read"]),
    ("GET /campaigns/{campaignId}/statistics", &["campaigns.read"]),
];

#[tokio::test]
async fn a_route_accepts_a_partner_with_one_of_its_scopes() {
    let world = shop().await;
    let scopes = [
        "orders.read",
        "orders.personal",
        "orders.collect:mall",
        "orders.collect:shop",
        "campaigns.read",
        "orders.write",
        "*",
        "operator",
    ];
    for route in admin::ROUTES.iter().filter(|route| route.access != Access::Public) {
        let name = format!("{} {}", route.method, route.path);
        let accepted: &[&str] = SCOPES_OF_ROUTES
            .iter()
            .find(|(of, _)| *of == name)
            .map_or(&[], |(_, accepted)| *accepted);
        for scope in scopes {
            let reply = call(&world.partner_with("p1", scope), route, "c1").await;
            let is_accepted = reply.problem() != "forbidden";
            assert_eq!(is_accepted, accepted.contains(&scope), "{name} {scope} {reply:?}");
        }
    }
}

#[tokio::test]
async fn a_customer_can_access_only_their_own_data() {
    let world = shop().await;
    world.charge("c2", 5_000).await;
    let theirs = world.customer("c2").post("/order", &order("c2", &[("pen", 1)])).await.json();
    world.take_calls();
    let customer = world.customer("c1");
    for refused in [
        customer.get("/points/c2").await,
        customer.get("/points/c2/history").await,
        customer.post("/points/charge", &json!({ "customerId": "c2", "amount": 1 })).await,
        customer.post("/order", &order("c2", &[("pen", 1)])).await,
        customer.get("/orders?customerId=c2").await,
        customer.get("/carts/c2").await,
        customer.put("/carts/c2/items/pen", &json!({ "quantity": 1 })).await,
        customer.delete("/carts/c2/items/pen").await,
        customer.delete("/carts/c2").await,
        customer.post("/carts/c2/order", &json!({})).await,
        customer.post("/coupons/spring/issue", &json!({ "customerId": "c2" })).await,
        customer.get("/customers/c2/coupons").await,
        customer.get("/order-views?customerId=c2").await,
        customer.get("/customers/c2").await,
        customer.put("/customers/c2", &json!({ "name": "x", "phone": "010" })).await,
    ] {
        assert_eq!((refused.status, refused.problem().as_str()), (403, "forbidden"));
    }
    assert_eq!(world.take_calls(), [], "refused before any read");
    let path = format!("/orders/{}", theirs["orderId"].as_str().unwrap());
    let (hidden, missing) = (customer.get(&path).await, customer.get("/orders/ord_never").await);
    assert_eq!((hidden.status, hidden.problem().as_str()), (404, "not-found"));
    let without_request = |reply: &Reply| {
        let mut body = reply.json();
        body["instance"] = Value::Null;
        (reply.status, body)
    };
    assert_eq!(
        without_request(&hidden),
        without_request(&missing),
        "the two responses are indistinguishable"
    );
    assert_eq!(world.customer("c2").get(&path).await.json(), theirs);
    assert_eq!(world.operator().get(&path).await.json(), theirs);
    assert_eq!(world.caller("rider", "r1", None).get(&path).await.status, 404);
}

#[tokio::test]
async fn stores_riders_and_customers_can_access_only_their_own_orders() {
    let world = kitchen().await;
    let id = place_order(&world, &[("gimbap", 1)]).await;
    let other_store = world.caller("store", "x", Some("s2"));
    world.take_calls();
    assert_eq!(other_store.get("/stores/s1/orders").await.problem(), "forbidden");
    assert_eq!(world.take_calls(), [], "refused before any read");
    for step in ["accept", "reject", "start-cooking", "finish-cooking"] {
        assert_eq!(
            other_store.post(&format!("/orders/{id}/{step}"), &json!({})).await.problem(),
            "not-found",
            "{step}"
        );
    }
    assert_eq!(other_store.get(&format!("/orders/{id}")).await.status, 404);
    assert_eq!(chef(&world).get(&format!("/orders/{id}")).await.status, 200);

    advance_to(&world, &id, "COOKED").await;
    let pick_up = format!("/orders/{id}/pick-up");
    let (rider, other_rider) =
        (world.caller("rider", "r1", None), world.caller("rider", "r2", None));
    world.take_calls();
    let for_another_rider = other_rider.post(&pick_up, &json!({ "riderId": "r1" })).await;
    assert_eq!((for_another_rider.problem().as_str(), world.take_calls()), ("forbidden", vec![]));
    assert_eq!(
        world.operator().post(&pick_up, &json!({})).await.problem(),
        "malformed-request",
        "an operator must name the rider"
    );
    assert_eq!(
        rider.get(&format!("/orders/{id}")).await.status,
        404,
        "no rider has picked it up yet"
    );
    assert_eq!(rider.post(&pick_up, &json!({})).await.json()["riderId"], json!("r1"));
    assert_eq!(
        rider.get(&format!("/orders/{id}")).await.json()["delivery"]["phone"],
        json!("010-1234-5678")
    );
    assert_eq!(other_rider.get(&format!("/orders/{id}")).await.status, 404);

    let confirm = format!("/orders/{id}/confirm-delivery");
    assert_eq!(world.customer("c2").post(&confirm, &json!({})).await.problem(), "not-found");
    world.settle().await;
    assert_eq!(world.customer("c2").get(&format!("/order-views/{id}")).await.status, 404);
    assert_eq!(world.customer("c1").get(&format!("/order-views/{id}")).await.status, 200);
    assert_eq!(
        world.customer("c1").post(&confirm, &json!({})).await.json()["status"],
        json!("COMPLETED")
    );
}

#[tokio::test]
async fn an_order_placed_by_an_operator_names_the_operator_in_its_timeline() {
    let world = shop().await;
    let placed = world.operator().post("/order", &order("c1", &[("pen", 1)])).await.json();
    assert_eq!(
        (&placed["customerId"], &placed["timeline"][0]["by"]),
        (&json!("c1"), &json!("operator:ops"))
    );
}

#[tokio::test]
async fn ledger_entries_and_stock_movements_name_who_made_them() {
    let world = shop().await;
    world.charge("c3", 5_000).await;
    let (customer, operator) = (world.customer("c3"), world.caller("operator", "jiwoo", None));
    let placed = customer.post("/order", &order("c3", &[("pen", 1)])).await.json();
    let cancel = format!("/orders/{}/cancel", text(&placed, "orderId"));
    operator.post(&cancel, &json!({})).await.must_be(200);
    let history = customer.get("/points/c3/history").await.json();
    let entries = history["entries"].as_array().unwrap().iter();
    let by: Vec<_> = entries.map(|entry| (text(entry, "kind"), text(entry, "by"))).collect();
    let named = |kind: &str, by: &str| (kind.to_owned(), by.to_owned());
    assert_eq!(
        by,
        [
            named("REFUND", "operator:jiwoo"),
            named("USE", "customer:c3"),
            named("CHARGE", "operator:ops"),
        ]
    );

    operator.post("/api/v1/admin/products/pen/stock", &json!({ "delta": 5 })).await.must_be(200);
    let query = json!({
        "TableName": "ProductsTable",
        "KeyConditionExpression": "pk = :pk AND begins_with(sk, :move)",
        "ExpressionAttributeValues": { ":pk": { "S": "PRODUCT#pen" }, ":move": { "S": "MOVE#" } },
    });
    let rows = world.dynamodb("Query", query).await;
    let rows = rows["Items"].as_array().unwrap();
    let last = rows.iter().max_by_key(|row| row["at"]["S"].to_string()).unwrap();
    assert_eq!((&last["delta"]["N"], &last["by"]["S"]), (&json!("5"), &json!("operator:jiwoo")));
}

#[tokio::test]
async fn an_operator_may_repeat_the_request_of_another_one() {
    let world = shop().await;
    let body = json!({ "customerId": "c3", "amount": 500 });
    for operator in ["jiwoo", "minseo"] {
        let operator = world.caller("operator", operator, None);
        operator.post_once("/points/charge", &body, "k").await.must_be(200);
    }
    assert_eq!(world.customer("c3").get("/points/c3").await.json()["balance"], json!(500));
}

#[tokio::test]
async fn an_invalid_or_expired_token_is_unauthorized() {
    let world = shop().await;
    let path = "/points/c1";
    for token in [
        "",
        "Bearer",
        "Bearer x.y.z",
        "Basic Yzp4",
        "Bearer eyJhbGciOiJub25lIn0.eyJyb2xlIjoib3BlcmF0b3IifQ.",
    ] {
        let reply = world
            .anyone()
            .send(axum::http::Method::GET, path, &[("authorization", token)], Vec::new())
            .await;
        assert_eq!(
            (reply.status, reply.json()),
            (401, json!({ "message": "Unauthorized" })),
            "{token}"
        );
    }
    let customer = world.customer("c1");
    assert_eq!(customer.get(path).await.status, 200);
    world.advance(std::time::Duration::from_hours(2));
    assert_eq!(customer.get(path).await.status, 401, "a token expires after one hour");
}

#[tokio::test]
async fn a_customer_id_may_equal_a_path_segment() {
    let world = shop().await;
    world.charge("charge", 5).await;
    assert_eq!(world.customer("charge").get("/points/charge").await.json()["balance"], json!(5));
}

#[tokio::test]
async fn an_unknown_path_is_not_found_and_a_wrong_method_lists_the_allowed_ones() {
    let world = shop().await;
    for client in [world.anyone(), world.customer("c1")] {
        let missing = client.get("/nothing/here").await;
        assert_eq!((missing.status, missing.problem().as_str()), (404, "not-found"));
        let wrong = client.get("/order").await;
        assert_eq!((wrong.status, wrong.problem().as_str()), (405, "method-not-allowed"));
        assert_eq!(wrong.headers["allow"], "POST");
    }
}
