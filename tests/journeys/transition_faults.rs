//! Fault injection for transitions: every AWS call fails in every way. Money and stock stay
//! correct, and a request repeated under its key takes effect once.

use crate::support::{
    assert_books_are_clean, balance,
    faults::{KINDS, faults_at},
    get_order,
    kitchen::{advance_to, chef, kitchen, place_order, rider},
    units_in_stock,
};
use local::{
    World,
    aws::faults::{Kind, Rule},
    world::Reply,
};
use serde_json::json;

async fn request(world: &World, id: &str, name: &str) -> Reply {
    let client = if name == "pick-up" { rider(world) } else { chef(world) };
    client.post_once(&format!("/orders/{id}/{name}"), &json!({}), "k").await
}

#[tokio::test]
async fn a_transition_happens_once_and_completely_despite_any_fault_in_any_call() {
    for (name, from, reached) in [
        ("reject", "PAID", "REJECTED"),
        ("accept", "PAID", "ACCEPTED"),
        ("pick-up", "COOKED", "PICKED_UP"),
    ] {
        for nth in 1..=3 {
            for kind in KINDS {
                for rule in faults_at(nth, kind) {
                    let world = kitchen().await;
                    let id = place_order(&world, &[("gimbap", 2), ("soup", 1)]).await;
                    advance_to(&world, &id, from).await;
                    let version = get_order(&world, &id).await["version"].as_u64().unwrap();
                    let context = format!("{name} {rule:?}");
                    world.inject(rule);
                    let first = request(&world, &id, name).await;
                    world.inject([]);
                    assert!(first.status == 200 || first.status == 503, "{context}: {first:?}");
                    let again = request(&world, &id, name).await;
                    assert_eq!(again.status, 200, "{context}: {again:?}");
                    if first.status == 200 {
                        assert_eq!(
                            (again.is_replayed(), &again.body),
                            (true, &first.body),
                            "{context}"
                        );
                    }
                    let order = get_order(&world, &id).await;
                    assert_eq!(
                        (&order["status"], &order["version"]),
                        (&json!(reached), &json!(version + 1)),
                        "{context}"
                    );
                    let (points, gimbap) =
                        if name == "reject" { (100_000, 100) } else { (83_000, 98) };
                    assert_eq!(
                        (balance(&world, "c1").await, units_in_stock(&world, "gimbap").await),
                        (points, gimbap),
                        "{context}"
                    );
                    assert_books_are_clean(&world).await;
                }
            }
        }
    }
}

#[tokio::test]
async fn read_models_catch_up_despite_any_fault_in_any_call() {
    for nth in 1..=8 {
        for kind in [Kind::Before, Kind::After, Kind::Internal, Kind::Throttle] {
            let world = kitchen().await;
            let id = place_order(&world, &[("gimbap", 1)]).await;
            advance_to(&world, &id, "COMPLETED").await;
            let waiting = place_order(&world, &[("soup", 1)]).await;
            advance_to(&world, &waiting, "COOKED").await;
            let rule = Rule { service: None, operation: None, kind, every: nth, count: Some(40) };
            world.inject([rule]);
            for _ in 0..4 {
                world.settle().await;
                world.advance(std::time::Duration::from_mins(1));
            }
            world.inject([]);
            for _ in 0..3 {
                world.settle().await;
                world.advance(std::time::Duration::from_mins(6));
            }
            let context = format!("{kind:?} every {nth}");
            let view = world.customer("c1").get(&format!("/order-views/{id}")).await.json();
            assert_eq!(view["status"], json!("COMPLETED"), "{context}: {view:#}");
            let found = rider(&world).get("/deliveries?lat=37.5551&lng=126.9245").await.json();
            assert_eq!(found["deliveries"].as_array().unwrap().len(), 1, "{context}");
            assert_eq!(found["deliveries"][0]["orderId"], json!(waiting), "{context}");
            let customer = world.customer("c1").get("/customers/c1").await.json();
            assert_eq!(customer["completedOrders"], json!(1), "{context}");
            world.advance(std::time::Duration::from_hours(2));
            assert_books_are_clean(&world).await;
        }
    }
}
