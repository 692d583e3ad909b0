//! Property test: after any history of a marketplace, with faults in between, our orders equal the
//! marketplace's.

use crate::support::{
    assert_books_are_clean,
    channels::{CHANNELS, collect, orders, register, stage},
    channels::{PARTNERS, quirks, run_until_ended},
    pass_time, text, units_in_stock,
};
use local::{
    World,
    aws::faults::{Kind, Rule},
};
use proptest::{collection::vec, prelude::*};
use serde_json::{Value, json};
use std::{collections::BTreeMap, time::Duration};

/// A step of a history: a change on the marketplace, the quirks of its API, a collection, or time.
#[derive(Debug, Clone)]
enum Step {
    Place { items: Vec<(u64, u32)> },
    Move { order: prop::sample::Index, item: Option<u64>, to: usize },
    Claim { order: prop::sample::Index, item: u64, quantity: u32, done: bool },
    Split { order: prop::sample::Index, item: u64, units: u32, is_shipped: bool },
    Merge { order: prop::sample::Index },
    Quirks(usize),
    Collect { fault: Option<u64> },
    Pass { hours: u64 },
}

fn step() -> impl Strategy<Value = Step> {
    let index = any::<prop::sample::Index>;
    prop_oneof![
        3 => vec((0_u64..3, 1_u32..4), 1..4).prop_map(|items| Step::Place { items }),
        3 => (index(), prop::option::of(0_u64..3), 0_usize..5).prop_map(|(order, item, to)| Step::Move { order, item, to }),
        2 => (index(), 0_u64..3, 1_u32..4, any::<bool>())
            .prop_map(|(order, item, quantity, done)| Step::Claim { order, item, quantity, done }),
        2 => (index(), 0_u64..3, 1_u32..3, any::<bool>())
            .prop_map(|(order, item, units, is_shipped)| Step::Split { order, item, units, is_shipped }),
        1 => index().prop_map(|order| Step::Merge { order }),
        1 => (0_usize..4).prop_map(Step::Quirks),
        3 => prop::option::of(1_u64..40).prop_map(|fault| Step::Collect { fault }),
        1 => (1_u64..60).prop_map(|hours| Step::Pass { hours }),
    ]
}

/// The statuses of a marketplace in the order of an item's lifecycle, each with our status for it.
fn statuses(partner: &str) -> [(&'static str, &'static str); 5] {
    if partner == "coupang" {
        [
            ("ACCEPT", "PAID"),
            ("INSTRUCT", "ACCEPTED"),
            ("DEPARTURE", "SHIPPED"),
            ("DELIVERING", "SHIPPED"),
            ("FINAL_DELIVERY", "COMPLETED"),
        ]
    } else {
        [
            ("PAYED", "PAID"),
            ("PAYED-OK", "ACCEPTED"),
            ("DELIVERING", "SHIPPED"),
            ("DELIVERED", "COMPLETED"),
            ("PURCHASE_DECIDED", "COMPLETED"),
        ]
    }
}

/// A parcel of an item: its units, the position of its status in [`statuses`], and its cancelled
/// units.
#[derive(Debug, Clone, Copy)]
struct Parcel {
    units: u32,
    at: usize,
    cancelled: u32,
}

impl Parcel {
    /// Whether some of its units are not cancelled.
    const fn has_units(&self) -> bool {
        self.cancelled < self.units
    }
}

/// The expected state of the marketplace, derived from the steps that were staged.
#[derive(Debug, Default)]
struct Model {
    /// The parcels of each item of each order, by order, item and parcel number.
    orders: BTreeMap<u64, BTreeMap<u64, BTreeMap<u64, Parcel>>>,
    /// Pending claims by claim number: the order, the item, the parcel and the units of each.
    pending: BTreeMap<u64, (u64, u64, u64, u32)>,
    /// The last sequence number given to a claim or to a new parcel.
    numbers: u64,
}

/// The combinations of quirks that a history switches between.
fn quirk_sets(partner: &str) -> [&'static [&'static str]; 4] {
    if partner == "coupang" {
        [
            &[],
            &["small-pages", "duplicates"],
            &["v4", "small-pages"],
            &["rate-limit", "small-pages"],
        ]
    } else {
        [&[], &["small-pages", "list-behind"], &["token-dies"], &["rate-limit", "small-pages"]]
    }
}

impl Model {
    fn number(&mut self) -> u64 {
        self.numbers += 1;
        self.numbers
    }

    /// Stages a step on the marketplace and applies it to the model. Collections and passing time
    /// change nothing here.
    fn apply(&mut self, world: &World, partner: &str, step: &Step) {
        let statuses = statuses(partner);
        let picked = |index: &prop::sample::Index, orders: usize| {
            (orders > 0).then(|| index.index(orders) as u64 + 1)
        };
        let count = self.orders.len();
        match step {
            Step::Place { items } => self.place(world, partner, items),
            Step::Move { order, item, to } => {
                let Some(number) = picked(order, count) else { return };
                let items = self.orders.get_mut(&number).unwrap();
                let parcels =
                    items.iter_mut().filter(|(one, _)| item.is_none_or(|item| **one == item));
                // A status never goes back, and a cancelled parcel has no further statuses.
                for (id, parcel) in parcels.flat_map(|(_, parcels)| parcels) {
                    if *to > parcel.at && parcel.has_units() {
                        parcel.at = *to;
                        let moved =
                            json!({ "order": number, "item": id, "status": statuses[*to].0 });
                        stage(world, partner, json!({ "move": moved }));
                    }
                }
            }
            Step::Claim { order, item, quantity, done } => {
                let Some(number) = picked(order, count) else { return };
                let Some(parcels) = self.orders[&number].get(item) else { return };
                let Some(parcel) =
                    parcels.iter().find(|(_, parcel)| parcel.has_units()).map(|(id, _)| *id)
                else {
                    return;
                };
                // An item has one pending claim at a time. Instead of a second one, all are
                // completed.
                let is_for_item =
                    |(of, claimed, ..): &&(u64, u64, u64, u32)| (*of, *claimed) == (number, *item);
                if self.pending.values().any(|claim| is_for_item(&claim)) {
                    self.complete_claims(world, partner);
                    return;
                }
                let claim = 1_000 + self.number();
                self.claim(world, partner, claim, (number, *item, parcel, *quantity), *done);
            }
            Step::Split { order, item, units, is_shipped } if partner == "coupang" => {
                let Some(number) = picked(order, count) else { return };
                self.split(world, number, *item, *units, *is_shipped);
            }
            Step::Merge { order } if partner == "coupang" => {
                let Some(number) = picked(order, count) else { return };
                self.merge(world, number);
            }
            Step::Quirks(index) => quirks(world, partner, quirk_sets(partner)[*index]),
            Step::Split { .. } | Step::Merge { .. } | Step::Collect { .. } | Step::Pass { .. } => {}
        }
    }

    fn place(&mut self, world: &World, partner: &str, items: &[(u64, u32)]) {
        let order = self.orders.len() as u64 + 1;
        let mut known = BTreeMap::new();
        let mut placed = Vec::new();
        for (item, quantity) in items.iter().copied().collect::<BTreeMap<u64, u32>>() {
            let parcel = order * 10 + item;
            known.insert(item, [(parcel, Parcel { units: quantity, at: 0, cancelled: 0 })].into());
            placed.push(json!({
                "item": parcel, "product": 900 + item, "quantity": quantity, "price": 100,
            }));
        }
        let status = statuses(partner)[0].0;
        let order_staged = json!({ "order": order, "status": status, "items": placed });
        stage(world, partner, json!({ "place": order_staged }));
        self.orders.insert(order, known);
    }

    /// Moves some units of an item into a new parcel.
    fn split(&mut self, world: &World, number: u64, item: u64, units: u32, is_shipped: bool) {
        let statuses = statuses("coupang");
        if self.is_looked_into(number) {
            return;
        }
        let into = 100_000 + self.number();
        let Some(parcels) = self.orders.get_mut(&number).and_then(|items| items.get_mut(&item))
        else {
            return;
        };
        let can_be_split =
            |parcel: &Parcel| parcel.at < 2 && parcel.units - parcel.cancelled > units;
        let Some((from, parcel)) = parcels.iter_mut().find(|(_, parcel)| can_be_split(parcel))
        else {
            return;
        };
        let (from, at) = (*from, parcel.at);
        parcel.units -= units;
        let split = json!({ "order": number, "item": from, "product": 900 + item, "units": units, "into": into });
        stage(world, "coupang", json!({ "split": split }));
        // The new parcel is the one that is shipped first.
        let at = if is_shipped { 2 } else { at };
        stage(
            world,
            "coupang",
            json!({ "move": { "order": number, "item": into, "status": statuses[at].0 } }),
        );
        parcels.insert(into, Parcel { units, at, cancelled: 0 });
    }

    /// Merges two parcels of each item of an order, if they have the same status and are not
    /// shipped.
    fn merge(&mut self, world: &World, number: u64) {
        if self.is_looked_into(number) {
            return;
        }
        for parcels in self.orders.get_mut(&number).unwrap().values_mut() {
            let candidates: Vec<u64> = parcels
                .iter()
                .filter(|(_, parcel)| parcel.at < 2 && parcel.has_units())
                .map(|(id, _)| *id)
                .collect();
            let [into, .., from] = candidates[..] else { continue };
            if parcels[&into].at != parcels[&from].at {
                continue;
            }
            let merged = parcels.remove(&from).unwrap();
            let target = parcels.get_mut(&into).unwrap();
            (target.units, target.cancelled) =
                (target.units + merged.units, target.cancelled + merged.cancelled);
            stage(
                world,
                "coupang",
                json!({ "merge": { "order": number, "item": from, "into": into } }),
            );
        }
    }

    fn is_looked_into(&self, number: u64) -> bool {
        self.pending.values().any(|(order, ..)| *order == number)
    }

    fn claim(
        &mut self,
        world: &World,
        partner: &str,
        claim: u64,
        of: (u64, u64, u64, u32),
        done: bool,
    ) {
        let (number, item, id, quantity) = of;
        let parcel =
            self.orders.get_mut(&number).unwrap().get_mut(&item).unwrap().get_mut(&id).unwrap();
        let quantity = quantity.min(parcel.units - parcel.cancelled);
        let staged = json!({
            "claim": claim, "order": number, "item": id, "quantity": quantity, "done": done, "sentBack": parcel.at >= 2,
        });
        stage(world, partner, json!({ "claim": staged }));
        if !done {
            self.pending.insert(claim, (number, item, id, quantity));
            return;
        }
        parcel.cancelled += quantity;
        if !parcel.has_units() && partner == "smartstore" {
            let status = if parcel.at >= 2 { "RETURNED" } else { "CANCELED" };
            stage(
                world,
                partner,
                json!({ "move": { "order": number, "item": id, "status": status } }),
            );
        }
    }

    /// Completes every pending claim.
    fn complete_claims(&mut self, world: &World, partner: &str) {
        for (claim, of) in std::mem::take(&mut self.pending) {
            self.claim(world, partner, claim, of, true);
        }
    }

    /// The least and the most units that may be reserved from our stock. Returned units stay
    /// reserved if a collection saw them as shipped before.
    fn reserved_range(&self) -> (i64, i64) {
        let parcels =
            self.orders.values().filter_map(|items| items.get(&0)).flat_map(BTreeMap::values);
        parcels.fold((0, 0), |(least, most), parcel| {
            let remaining = i64::from(parcel.units - parcel.cancelled);
            (
                least + remaining,
                most + if parcel.at >= 2 { i64::from(parcel.units) } else { remaining },
            )
        })
    }

    /// The cancelled units of each order, counting only items that have units left.
    fn cancelled_units(&self) -> BTreeMap<String, u64> {
        let cancelled_units = |items: &BTreeMap<u64, BTreeMap<u64, Parcel>>| -> u64 {
            let open_items =
                items.values().filter(|parcels| parcels.values().any(Parcel::has_units));
            open_items.flat_map(BTreeMap::values).map(|parcel| u64::from(parcel.cancelled)).sum()
        };
        self.orders
            .iter()
            .map(|(number, items)| (number.to_string(), cancelled_units(items)))
            .collect()
    }

    /// The expected status and the expected number of units of each order.
    fn expected(&self, partner: &str) -> BTreeMap<String, (String, u64)> {
        let statuses = statuses(partner);
        let expected = |(number, items): (&u64, &BTreeMap<u64, BTreeMap<u64, Parcel>>)| {
            let parcels = || items.values().flat_map(BTreeMap::values);
            let open = parcels().filter(|parcel| parcel.has_units());
            let least_advanced = open.clone().map(|parcel| parcel.at).min();
            let units: u32 = match least_advanced {
                Some(_) => open.map(|parcel| parcel.units - parcel.cancelled).sum(),
                None => parcels().map(|parcel| parcel.units).sum(),
            };
            (
                number.to_string(),
                (
                    least_advanced.map_or("CANCELLED", |at| statuses[at].1).to_owned(),
                    u64::from(units),
                ),
            )
        };
        self.orders.iter().map(expected).collect()
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 20, max_shrink_iters: 300, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn collected_orders_converge_with_the_marketplace(
        steps in vec(step(), 1..40),
        at_coupang in any::<bool>(),
    ) {
        let partner = PARTNERS[usize::from(!at_coupang)];
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        runtime.block_on(async {
            let world = World::new().await;
            let channel = register(&world, partner, 0).await;
            // One product of the marketplace is mapped to one of ours.
            world.stock("pen", 1_000, 10_000).await;
            stage(&world, partner, json!({ "product": { "product": 900, "name": "Pen", "price": 100, "stock": 10_000 } }));
            collect(&world, &channel).await;
            let path = format!("{CHANNELS}/{channel}/products/900");
            assert_eq!(world.operator().put(&path, &json!({ "productId": "pen" })).await.status, 200);
            let mut model = Model::default();
            for step in &steps {
                model.apply(&world, partner, step);
                match step {
                    Step::Collect { fault } => {
                        world.inject(fault.map(|nth| Rule::nth(nth, Kind::After)));
                        let reply = world.operator().post(&format!("{CHANNELS}/{channel}/collect"), &json!({})).await;
                        assert!([202, 503].contains(&reply.status), "{reply:?}");
                        world.settle().await;
                        world.inject([]);
                    }
                    Step::Pass { hours } => pass_time(&world, Duration::from_hours(*hours)).await,
                    Step::Place { .. }
                    | Step::Move { .. }
                    | Step::Claim { .. }
                    | Step::Split { .. }
                    | Step::Merge { .. }
                    | Step::Quirks(_) => {
                        world.advance(Duration::from_millis(1));
                    }
                }
            }
            quirks(&world, partner, &[]);
            pass_time(&world, Duration::from_mins(10)).await;
            run_until_ended(&world, &channel).await;
            model.complete_claims(&world, partner);
            let run = collect(&world, &channel).await;
            assert_eq!(run["status"], "DONE", "{run}");
            let seen = orders(&world, &channel).await;
            let (least, most) = model.reserved_range();
            assert!((least..=most).contains(&(10_000 - units_in_stock(&world, "pen").await)), "{least} to {most}");
            // The marketplace shows our stock.
            let there = world.partner(partner).books()["shops"][0]["products"][0]["stock"].clone();
            assert_eq!(there, units_in_stock(&world, "pen").await);
            let units = |order: &Value| -> u64 {
                order["items"].as_array().unwrap().iter().map(|item| item["quantity"].as_u64().unwrap()).sum()
            };
            // Cancelled orders are skipped: an item that was cancelled before its first listing has
            // no price.
            let cancelled_units = model.cancelled_units();
            for (number, order) in seen.iter().filter(|(_, order)| order["status"] != "CANCELLED") {
                assert_eq!(order["totalAmount"], 100 * units(order), "{order}");
                let items = order["items"].as_array().unwrap();
                let cancelled: u64 = items.iter().map(|item| item["channel"]["cancelled"].as_u64().unwrap()).sum();
                assert_eq!(cancelled, cancelled_units[number], "no cancelled unit is counted twice: {order}");
            }
            let seen: BTreeMap<String, (String, u64)> =
                seen.iter().map(|(number, order)| (number.clone(), (text(order, "status"), units(order)))).collect();
            assert_eq!(seen, model.expected(partner));
            // An item is listed once, however many parcels it is in.
            for order in world.operator().get(&format!("/api/v1/admin/orders?channelId={channel}&limit=100")).await.json()["orders"].as_array().unwrap() {
                let items = order["items"].as_array().unwrap();
                let products: std::collections::BTreeSet<&str> = items.iter().map(|item| item["productId"].as_str().unwrap()).collect();
                assert_eq!(products.len(), items.len(), "{order}");
            }
            assert_books_are_clean(&world).await;
        });
    }
}
