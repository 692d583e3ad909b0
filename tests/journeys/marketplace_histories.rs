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

/// What happened so far, as we know it from having staged it.
#[derive(Debug, Default)]
struct Truth {
    /// Each order's items: how many were ordered, where each stands, and how many were called off.
    orders: BTreeMap<u64, BTreeMap<u64, (u32, usize, u32)>>,
    /// Claims that are looked into: of which order and item, and for how many units.
    pending: BTreeMap<u64, (u64, u64, u32)>,
}

impl Truth {
    /// Stages what happens; tells how long passes, or whether there is something to collect.
    fn happen(&mut self, world: &World, partner: &str, what: &Happening) {
        let words = statuses(partner);
        match what {
            Happening::Place { items } => {
                let order = self.orders.len() as u64 + 1;
                let mut known = BTreeMap::new();
                let mut placed = Vec::new();
                for (item, quantity) in items.iter().copied().collect::<BTreeMap<u64, u32>>() {
                    known.insert(item, (quantity, 0, 0));
                    placed.push(
                        json!({ "item": order * 10 + item, "product": 900 + item, "quantity": quantity, "price": 100 }),
                    );
                }
                stage(world, partner, json!({ "place": { "order": order, "status": words[0].0, "items": placed } }));
                self.orders.insert(order, known);
            }
            Happening::Move { order, item, to } if !self.orders.is_empty() => {
                let number = order.index(self.orders.len()) as u64 + 1;
                let items = self.orders.get_mut(&number).unwrap();
                for (item, (ordered, at, off)) in
                    items.iter_mut().filter(|(one, _)| item.is_none_or(|item| **one == item))
                {
                    // Nothing goes back, and what was called off goes nowhere.
                    if *to > *at && off < ordered {
                        *at = *to;
                        let status = words[*to].0;
                        stage(
                            world,
                            partner,
                            json!({ "move": { "order": number, "item": number * 10 + item, "status": status } }),
                        );
                    }
                }
            }
            Happening::Claim { order, item, quantity, done } if !self.orders.is_empty() => {
                let number = order.index(self.orders.len()) as u64 + 1;
                self.claim(world, partner, number, *item, *quantity, *done);
            }
            Happening::Mood(mood) => {
                let moods: [&[&str]; 4] = if partner == "coupang" {
                    [&[], &["small-pages", "duplicates"], &["v4", "small-pages"], &["rate-limit", "small-pages"]]
                } else {
                    [&[], &["small-pages", "list-behind"], &["token-dies"], &["rate-limit", "small-pages"]]
                };
                quirks(world, partner, moods[*mood]);
            }
            Happening::Move { .. } | Happening::Claim { .. } | Happening::Collect { .. } | Happening::Pass { .. } => {}
        }
    }

    fn claim(&mut self, world: &World, partner: &str, number: u64, item: u64, quantity: u32, done: bool) {
        let Some((ordered, at, off)) = self.orders.get_mut(&number).unwrap().get_mut(&item) else { return };
        let quantity = quantity.min(*ordered - *off);
        // One claim is looked into, and then done; the next one is another.
        let claim = number * 1_000 + item * 100 + u64::from(*off);
        if quantity == 0 && !self.pending.contains_key(&claim) {
            return;
        }
        let staged = json!({ "claim": claim, "order": number, "item": number * 10 + item, "quantity": quantity, "done": done, "sentBack": *at >= 2 });
        stage(world, partner, json!({ "claim": staged }));
        if !done {
            self.pending.insert(claim, (number, item, quantity));
            return;
        }
        self.pending.remove(&claim);
        *off += quantity;
        if off == ordered && partner == "smartstore" {
            let status = if *at >= 2 { "RETURNED" } else { "CANCELED" };
            stage(world, partner, json!({ "move": { "order": number, "item": number * 10 + item, "status": status } }));
        }
    }

    /// Sees every claim through.
    fn conclude(&mut self, world: &World, partner: &str) {
        for (order, item, quantity) in std::mem::take(&mut self.pending).into_values() {
            self.claim(world, partner, order, item, quantity, true);
        }
    }

    /// How many units of our product are taken, at the least and at the most: what is sent back stays taken if it was seen to have
    /// been shipped before.
    fn taken(&self) -> (i64, i64) {
        let items = self.orders.values().filter_map(|items| items.get(&0));
        items.fold((0, 0), |(least, most), (ordered, at, off)| {
            let standing = i64::from(ordered - off);
            (least + standing, most + if *at >= 2 { i64::from(*ordered) } else { standing })
        })
    }

    /// Where each order must stand, and how many units of it.
    fn expected(&self, partner: &str) -> BTreeMap<String, (String, u64)> {
        let words = statuses(partner);
        let expected = |(number, items): (&u64, &BTreeMap<u64, (u32, usize, u32)>)| {
            let standing = items.values().filter(|(ordered, _, off)| off < ordered);
            let behind = standing.clone().map(|(_, at, _)| *at).min();
            let units: u32 = match behind {
                Some(_) => standing.map(|(ordered, _, off)| ordered - off).sum(),
                None => items.values().map(|(ordered, _, _)| ordered).sum(),
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
                    Happening::Place { .. } | Happening::Move { .. } | Happening::Claim { .. } | Happening::Mood(_) => {
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
            for order in seen.values().filter(|order| order["status"] != "CANCELLED") {
                assert_eq!(order["totalAmount"], 100 * units(order), "{order}");
            }
            let seen: BTreeMap<String, (String, u64)> =
                seen.iter().map(|(number, order)| (number.clone(), (text(order, "status"), units(order)))).collect();
            assert_eq!(seen, truth.expected(partner));
            assert_books_are_clean(&world).await;
        });
    }
}
