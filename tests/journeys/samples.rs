//! One sample event for each function under `events/`, and every function under the one name
//! everywhere.

use edge::{Access, Route};
use local::{Demo, Options, World, all_functions, partners::Mode};
use serde_json::{Value, json};
use std::{collections::BTreeSet, fs, path::PathBuf};

fn root() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("..")
}

fn read(path: &str) -> String {
    fs::read_to_string(root().join(path)).unwrap_or_else(|error| panic!("{path}: {error}"))
}

fn sample(function: &str) -> Value {
    serde_json::from_str(&read(&format!("events/{function}.json"))).unwrap()
}

/// What a sample looks at must have happened before.
const FIRST: [&str; 11] = [
    "create-channel",
    "collect-channel",
    "put-webhook",
    "collect-order",
    "place-order",
    "audit-books",
    "put-store",
    "project-order-views",
    "put-coupon-source",
    "put-cart-item",
    "order-cart",
];

/// After them, others would have nothing to look at.
const LAST: [&str; 3] = ["cancel-order", "delete-webhook", "delete-channel"];

/// The demo shop with everything that the samples name.
async fn sampled() -> World {
    let world = World::with(Options {
        clock: local::Clock::held_at(local::world::BEGINNING.parse().unwrap()).into(),
        ..World::options()
    })
    .await;
    Demo::open(&world.platform).await.unwrap();
    Demo::stage(&world.platform).unwrap();
    Demo::open_channels(&world.platform).await.unwrap();
    // An order that the sample of pay-order can pay.
    world.partner("payment-gateway").be(Mode::Decline);
    let held = json!({
        "customerId": "minji", "items": [{ "productId": "latte", "quantity": 1 }],
        "payment": { "method": "CARD", "paymentKey": "sample" },
    });
    assert_eq!(
        world.customer("minji").post_once("/order", &held, "held").await.problem(),
        "payment-failed"
    );
    // Orders that the samples of fulfilment move.
    let delivery = json!({ "address": "서울 마포구 양화로 45", "lat": 37.5551, "lng": 126.9245, "phone": "010-1234-5678" });
    for (key, product) in
        [("sample-delivery", "gimbap"), ("sample-refused", "gimbap"), ("sample-parcel", "mug")]
    {
        let items = json!([{ "productId": product, "quantity": 1 }]);
        let order = json!({ "customerId": "minji", "items": items, "delivery": delivery });
        assert_eq!(world.customer("minji").post_once("/order", &order, key).await.status, 200);
    }
    // One that has a rider already, and points that were charged by card.
    let items = json!([{ "productId": "gimbap", "quantity": 1 }]);
    let order = json!({ "customerId": "minji", "items": items, "delivery": delivery });
    let carried =
        world.customer("minji").post_once("/order", &order, "sample-unassigned").await.json();
    for (step, body) in [
        ("accept", json!({})),
        ("start-cooking", json!({})),
        ("finish-cooking", json!({})),
        ("pick-up", json!({ "riderId": "rider-2" })),
    ] {
        let path = format!("/orders/{}/{step}", carried["orderId"].as_str().unwrap());
        assert_eq!(world.operator().post(&path, &body).await.status, 200);
    }
    world.partner("payment-gateway").be(Mode::Ok);
    let payment = json!({ "method": "CARD", "paymentKey": "sample-charge" });
    let charge = json!({ "customerId": "minji", "amount": 5_000, "payment": payment });
    assert_eq!(
        world.customer("minji").post_once("/points/charge", &charge, "sample-charge").await.status,
        200
    );
    world
}

#[tokio::test]
async fn every_function_handles_its_sample_event() {
    let world = sampled().await;
    let functions = all_functions();
    let others = functions
        .iter()
        .map(|function| function.name)
        .filter(|name| !FIRST.contains(name) && !LAST.contains(name));
    for name in FIRST.into_iter().chain(others).chain(LAST) {
        let answer = world
            .invoke(name, sample(name))
            .await
            .unwrap_or_else(|error| panic!("{name}: {error}"));
        let expected = match name {
            "no-such-route" => json!(404),
            "remove-cart-item" | "clear-cart" | "delete-webhook" | "delete-channel" => json!(204),
            "create-channel" => json!(201),
            "replay-webhook-delivery" | "collect-channel-now" | "verify-phone" => json!(202),
            _ if answer.get("statusCode").is_some() => json!(200),
            _ => Value::Null,
        };
        assert_eq!(answer["statusCode"], expected, "{name}: {answer}");
        assert!(
            answer["batchItemFailures"].as_array().is_none_or(Vec::is_empty),
            "{name}: {answer}"
        );
    }
    let [received] = &world.partner("data-platform").requests()[..] else {
        panic!("the sample order is delivered once")
    };
    assert_eq!(received.status, 200);
}

#[test]
fn every_function_has_its_file_handler_resource_sample_and_readme_row() {
    let specs =
        local::template::Template::own(&std::collections::BTreeMap::new(), "http://localhost")
            .unwrap();
    let deployed: BTreeSet<String> =
        specs.functions.iter().map(|spec| spec.handler.clone()).collect();
    let names: BTreeSet<String> =
        all_functions().iter().map(|function| function.name.to_owned()).collect();
    assert_eq!(names, deployed, "the template deploys what exists");
    let is_sample = |name: &str| name.strip_suffix(".json").map(str::to_owned);
    let files = fs::read_dir(root().join("events")).unwrap();
    let samples: BTreeSet<String> =
        files.filter_map(|file| is_sample(file.unwrap().file_name().to_str().unwrap())).collect();
    assert_eq!(names, samples);
    let (readme, template) = (read("functions/README.md"), read("template.yaml"));
    for name in &names {
        let module = name.replace('-', "_");
        let holds =
            |context: &fs::DirEntry| context.path().join(format!("src/{module}.rs")).exists();
        let contexts =
            fs::read_dir(root().join("functions")).unwrap().filter_map(Result::ok).filter(holds);
        let [context] = &contexts.collect::<Vec<_>>()[..] else {
            panic!("{name} has not one file")
        };
        let context = context.file_name().into_string().unwrap();
        assert_eq!(specs.function(name).unwrap().binary, context, "{name} is in another binary");
        let resource: String =
            name.split('-').map(|word| word[..1].to_uppercase() + &word[1..]).collect();
        assert!(
            template.contains(&format!("\n  {resource}:\n    Type: AWS::Serverless::Function\n")),
            "{name}"
        );
        assert!(
            readme.contains(&format!("| [`{name}`]({context}/src/{module}.rs) |")),
            "{name} has no row in functions/README.md"
        );
    }
}

#[test]
fn the_template_has_the_routes_that_the_functions_declare_for_the_callers_that_they_admit() {
    let template =
        local::template::Template::own(&std::collections::BTreeMap::new(), "http://localhost")
            .unwrap();
    for function in all_functions() {
        let has_schema = |route: &Route| route.request_body.is_some() || route.response.is_some();
        assert!(!function.routes.iter().any(has_schema), "{} contains schemas", function.name);
        let declared: BTreeSet<_> = function
            .routes
            .iter()
            .map(|route| {
                (route.method.to_string(), route.path.to_owned(), route.access == Access::Public)
            })
            .collect();
        let spec = template.function(function.name).unwrap();
        let deployed: BTreeSet<_> = spec
            .routes
            .iter()
            .map(|route| (route.method.clone(), route.path.clone(), route.is_public))
            .collect();
        assert_eq!(declared, deployed, "{}", function.name);
    }
    let documented: BTreeSet<_> =
        admin::ROUTES.iter().map(|route| (route.method, route.path)).collect();
    let declared: BTreeSet<_> = all_functions()
        .iter()
        .flat_map(|function| function.routes)
        .map(|route| (route.method, route.path))
        .filter(|(_, path)| *path != "$default")
        .collect();
    assert_eq!(documented, declared, "the document has every route");
}
