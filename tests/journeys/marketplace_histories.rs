//! Any history of a marketplace, with any faults in between, ends here as it ends there.

use crate::{
    assert_books_are_clean,
    channels::{CHANNELS, collect, orders, register, stage},
    left,
    marketplaces::{PARTNERS, quirks, until_it_ends},
    pass, text,
};
use local::{
    World,
    aws::faults::{Kind, Rule},
};
use proptest::{collection::vec, prelude::*};
use serde_json::{Value, json};
use std::{collections::BTreeMap, time::Duration};

/// Something that happens on a marketplace, or between it and us.
#[derive(Debug, Clone)]
enum Happening {
    Place { items: Vec<(u64, u32)> },
    Move { order: prop::sample::Index, item: Option<u64>, to: usize },
    Claim { order: prop::sample::Index, item: u64, quantity: u32, done: bool },
    Split { order: prop::sample::Index, item: u64, units: u32, is_sent: bool },
    Merge { order: prop::sample::Index },
    Mood(usize),
    Collect { fault: Option<u64> },
    Pass { hours: u64 },
}

fn happening() -> impl Strategy<Value = Happening> {
    let index = any::<prop::sample::Index>;
    prop_oneof![
        3 => vec((0_u64..3, 1_u32..4), 1..4).prop_map(|items| Happening::Place { items }),
        3 => (index(), prop::option::of(0_u64..3), 0_usize..5).prop_map(|(order, item, to)| Happening::Move { order, item, to }),
        2 => (index(), 0_u64..3, 1_u32..4, any::<bool>())
            .prop_map(|(order, item, quantity, done)| Happening::Claim { order, item, quantity, done }),
        2 => (index(), 0_u64..3, 1_u32..3, any::<bool>())
            .prop_map(|(order, item, units, is_sent)| Happening::Split { order, item, units, is_sent }),
        1 => index().prop_map(|order| Happening::Merge { order }),
        1 => (0_usize..4).prop_map(Happening::Mood),
        3 => prop::option::of(1_u64..40).prop_map(|fault| Happening::Collect { fault }),
        1 => (1_u64..60).prop_map(|hours| Happening::Pass { hours }),
    ]
}

/// The statuses of each marketplace in the order in which they come, and what they are here.
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

/// A parcel of an item: how many units it has, how far it is, and how many of its units were called off.
#[derive(Debug, Clone, Copy)]
struct Parcel {
    units: u32,
    at: usize,
    off: u32,
}

impl Parcel {
    const fn stands(&self) -> bool {
        self.off < self.units
    }
}

/// What happened so far, as we know it from having staged it.
#[derive(Debug, Default)]
struct Truth {
    /// Each order's items, and the parcels of each.
    orders: BTreeMap<u64, BTreeMap<u64, BTreeMap<u64, Parcel>>>,
    /// Claims that are looked into: of which order, item and parcel, and for how many units.
    pending: BTreeMap<u64, (u64, u64, u64, u32)>,
    /// How many claims and parcels there were.
    numbers: u64,
}

impl Truth {
    fn number(&mut self) -> u64 {
        self.numbers += 1;
        self.numbers
    }

    /// Stages what happens; tells how long passes, or whether there is something to collect.
    fn happen(&mut self, world: &World, partner: &str, what: &Happening) {
        let words = statuses(partner);
        let picked = |index: &prop::sample::Index, orders: usize| (orders > 0).then(|| index.index(orders) as u64 + 1);
        let count = self.orders.len();
        match what {
            Happening::Place { items } => {
                let order = count as u64 + 1;
                let mut known = BTreeMap::new();
                let mut placed = Vec::new();
                for (item, quantity) in items.iter().copied().collect::<BTreeMap<u64, u32>>() {
                    let parcel = order * 10 + item;
                    known.insert(item, [(parcel, Parcel { units: quantity, at: 0, off: 0 })].into());
                    placed.push(json!({ "item": parcel, "product": 900 + item, "quantity": quantity, "price": 100 }));
                }
                stage(world, partner, json!({ "place": { "order": order, "status": words[0].0, "items": placed } }));
                self.orders.insert(order, known);
            }
            Happening::Move { order, item, to } => {
                let Some(number) = picked(order, count) else { return };
                let items = self.orders.get_mut(&number).unwrap();
                let parcels = items.iter_mut().filter(|(one, _)| item.is_none_or(|item| **one == item));
                // Nothing goes back, and what was called off goes nowhere.
                for (id, parcel) in parcels.flat_map(|(_, parcels)| parcels) {
                    if *to > parcel.at && parcel.stands() {
                        parcel.at = *to;
                        let moved = json!({ "order": number, "item": id, "status": words[*to].0 });
                        stage(world, partner, json!({ "move": moved }));
                    }
                }
            }
            Happening::Claim { order, item, quantity, done } => {
                let Some(number) = picked(order, count) else { return };
                let Some(parcels) = self.orders[&number].get(item) else { return };
                let Some(parcel) = parcels.iter().find(|(_, parcel)| parcel.stands()).map(|(id, _)| *id) else {
                    return;
                };
                // One claim is looked into at a time, and then done.
                let is_looked_into = |(of, claimed, ..): &&(u64, u64, u64, u32)| (*of, *claimed) == (number, *item);
                if self.pending.values().any(|claim| is_looked_into(&claim)) {
                    self.conclude(world, partner);
                    return;
                }
                let claim = 1_000 + self.number();
                self.claim(world, partner, claim, (number, *item, parcel, *quantity), *done);
            }
            Happening::Split { order, item, units, is_sent } if partner == "coupang" => {
                let Some(number) = picked(order, count) else { return };
                self.split(world, number, *item, *units, *is_sent);
            }
            Happening::Merge { order } if partner == "coupang" => {
                let Some(number) = picked(order, count) else { return };
                self.merge(world, number);
            }
            Happening::Mood(mood) => {
                let moods: [&[&str]; 4] = if partner == "coupang" {
                    [&[], &["small-pages", "duplicates"], &["v4", "small-pages"], &["rate-limit", "small-pages"]]
                } else {
                    [&[], &["small-pages", "list-behind"], &["token-dies"], &["rate-limit", "small-pages"]]
                };
                quirks(world, partner, moods[*mood]);
            }
            Happening::Split { .. } | Happening::Merge { .. } | Happening::Collect { .. } | Happening::Pass { .. } => {}
        }
    }

    /// Some units of an item are put into a parcel of their own.
    fn split(&mut self, world: &World, number: u64, item: u64, units: u32, is_sent: bool) {
        let words = statuses("coupang");
        if self.is_looked_into(number) {
            return;
        }
        let into = 100_000 + self.number();
        let Some(parcels) = self.orders.get_mut(&number).and_then(|items| items.get_mut(&item)) else { return };
        let is_whole = |parcel: &Parcel| parcel.at < 2 && parcel.units - parcel.off > units;
        let Some((from, parcel)) = parcels.iter_mut().find(|(_, parcel)| is_whole(parcel)) else { return };
        let (from, at) = (*from, parcel.at);
        parcel.units -= units;
        let split = json!({ "order": number, "item": from, "product": 900 + item, "units": units, "into": into });
        stage(world, "coupang", json!({ "split": split }));
        // The parcel that is sent first is the new one.
        let at = if is_sent { 2 } else { at };
        stage(world, "coupang", json!({ "move": { "order": number, "item": into, "status": words[at].0 } }));
        parcels.insert(into, Parcel { units, at, off: 0 });
    }

    /// The parcels of an item that are as far as each other become one.
    fn merge(&mut self, world: &World, number: u64) {
        if self.is_looked_into(number) {
            return;
        }
        for parcels in self.orders.get_mut(&number).unwrap().values_mut() {
            let here: Vec<u64> =
                parcels.iter().filter(|(_, parcel)| parcel.at < 2 && parcel.stands()).map(|(id, _)| *id).collect();
            let [into, .., from] = here[..] else { continue };
            if parcels[&into].at != parcels[&from].at {
                continue;
            }
            let merged = parcels.remove(&from).unwrap();
            let kept = parcels.get_mut(&into).unwrap();
            (kept.units, kept.off) = (kept.units + merged.units, kept.off + merged.off);
            stage(world, "coupang", json!({ "merge": { "order": number, "item": from, "into": into } }));
        }
    }

    fn is_looked_into(&self, number: u64) -> bool {
        self.pending.values().any(|(order, ..)| *order == number)
    }

    fn claim(&mut self, world: &World, partner: &str, claim: u64, of: (u64, u64, u64, u32), done: bool) {
        let (number, item, id, quantity) = of;
        let parcel = self.orders.get_mut(&number).unwrap().get_mut(&item).unwrap().get_mut(&id).unwrap();
        let quantity = quantity.min(parcel.units - parcel.off);
        let staged = json!({
            "claim": claim, "order": number, "item": id, "quantity": quantity, "done": done, "sentBack": parcel.at >= 2,
        });
        stage(world, partner, json!({ "claim": staged }));
        if !done {
            self.pending.insert(claim, (number, item, id, quantity));
            return;
        }
        parcel.off += quantity;
        if !parcel.stands() && partner == "smartstore" {
            let status = if parcel.at >= 2 { "RETURNED" } else { "CANCELED" };
            stage(world, partner, json!({ "move": { "order": number, "item": id, "status": status } }));
        }
    }

    /// Sees every claim through.
    fn conclude(&mut self, world: &World, partner: &str) {
        for (claim, of) in std::mem::take(&mut self.pending) {
            self.claim(world, partner, claim, of, true);
        }
    }

    /// How many units of our product are taken, at the least and at the most: what is sent back stays taken if it was seen to have
    /// been shipped before.
    fn taken(&self) -> (i64, i64) {
        let parcels = self.orders.values().filter_map(|items| items.get(&0)).flat_map(BTreeMap::values);
        parcels.fold((0, 0), |(least, most), parcel| {
            let standing = i64::from(parcel.units - parcel.off);
            (least + standing, most + if parcel.at >= 2 { i64::from(parcel.units) } else { standing })
        })
    }

    /// How many units were called off of those items of each order of which something is left.
    fn aborted(&self) -> BTreeMap<String, u64> {
        let aborted = |items: &BTreeMap<u64, BTreeMap<u64, Parcel>>| -> u64 {
            let left = items.values().filter(|parcels| parcels.values().any(Parcel::stands));
            left.flat_map(BTreeMap::values).map(|parcel| u64::from(parcel.off)).sum()
        };
        self.orders.iter().map(|(number, items)| (number.to_string(), aborted(items))).collect()
    }

    /// Where each order must stand, and how many units of it.
    fn expected(&self, partner: &str) -> BTreeMap<String, (String, u64)> {
        let words = statuses(partner);
        let expected = |(number, items): (&u64, &BTreeMap<u64, BTreeMap<u64, Parcel>>)| {
            let parcels = || items.values().flat_map(BTreeMap::values);
            let standing = parcels().filter(|parcel| parcel.stands());
            let behind = standing.clone().map(|parcel| parcel.at).min();
            let units: u32 = match behind {
                Some(_) => standing.map(|parcel| parcel.units - parcel.off).sum(),
                None => parcels().map(|parcel| parcel.units).sum(),
            };
            (number.to_string(), (behind.map_or("CANCELLED", |at| words[at].1).to_owned(), u64::from(units)))
        };
        self.orders.iter().map(expected).collect()
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 20, max_shrink_iters: 300, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn whatever_happens_there_and_in_between_in_the_end_it_is_here_as_it_is_there(
        happenings in vec(happening(), 1..40),
        at_coupang in any::<bool>(),
    ) {
        let partner = PARTNERS[usize::from(!at_coupang)];
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        runtime.block_on(async {
            let world = World::new().await;
            let channel = register(&world, partner, 0).await;
            // One of the products there is one of ours.
            world.stock("pen", 1_000, 10_000).await;
            stage(&world, partner, json!({ "product": { "product": 900, "name": "Pen", "price": 100, "stock": 10_000 } }));
            collect(&world, &channel).await;
            let path = format!("{CHANNELS}/{channel}/products/900");
            assert_eq!(world.operator().put(&path, &json!({ "productId": "pen" })).await.status, 200);
            let mut truth = Truth::default();
            for what in &happenings {
                truth.happen(&world, partner, what);
                match what {
                    Happening::Collect { fault } => {
                        world.inject(fault.map(|nth| Rule::nth(nth, Kind::After)));
                        let asked = world.operator().post(&format!("{CHANNELS}/{channel}/collect"), &json!({})).await;
                        assert!([202, 503].contains(&asked.status), "{asked:?}");
                        world.settle().await;
                        world.inject([]);
                    }
                    Happening::Pass { hours } => pass(&world, Duration::from_hours(*hours)).await,
                    Happening::Place { .. }
                    | Happening::Move { .. }
                    | Happening::Claim { .. }
                    | Happening::Split { .. }
                    | Happening::Merge { .. }
                    | Happening::Mood(_) => {
                        world.advance(Duration::from_millis(1));
                    }
                }
            }
            quirks(&world, partner, &[]);
            pass(&world, Duration::from_mins(10)).await;
            until_it_ends(&world, &channel).await;
            truth.conclude(&world, partner);
            let run = collect(&world, &channel).await;
            assert_eq!(run["status"], "DONE", "{run}");
            let seen = orders(&world, &channel).await;
            let (least, most) = truth.taken();
            assert!((least..=most).contains(&(10_000 - left(&world, "pen").await)), "{least} to {most}");
            // The marketplace has our stock.
            let there = world.partner(partner).books()["shops"][0]["products"][0]["stock"].clone();
            assert_eq!(there, left(&world, "pen").await);
            let units = |order: &Value| -> u64 {
                order["items"].as_array().unwrap().iter().map(|item| item["quantity"].as_u64().unwrap()).sum()
            };
            // What was called off before it was listed has no price.
            let aborted = truth.aborted();
            for (number, order) in seen.iter().filter(|(_, order)| order["status"] != "CANCELLED") {
                assert_eq!(order["totalAmount"], 100 * units(order), "{order}");
                let items = order["items"].as_array().unwrap();
                let off: u64 = items.iter().map(|item| item["channel"]["cancelled"].as_u64().unwrap()).sum();
                assert_eq!(off, aborted[number], "nothing is counted twice: {order}");
            }
            let seen: BTreeMap<String, (String, u64)> =
                seen.iter().map(|(number, order)| (number.clone(), (text(order, "status"), units(order)))).collect();
            assert_eq!(seen, truth.expected(partner));
            // However many parcels it is in, an item is one.
            for order in world.operator().get(&format!("/api/v1/admin/orders?channelId={channel}&limit=100")).await.json()["orders"].as_array().unwrap() {
                let items = order["items"].as_array().unwrap();
                let products: std::collections::BTreeSet<&str> = items.iter().map(|item| item["productId"].as_str().unwrap()).collect();
                assert_eq!(products.len(), items.len(), "{order}");
            }
            assert_books_are_clean(&world).await;
        });
    }
}
