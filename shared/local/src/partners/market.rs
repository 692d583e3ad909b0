//! A marketplace's books, as its stub keeps them: shops, each with its orders and products. Who tries the platform stages what happens
//! there; the stubs show it as their marketplaces would.

use domain::Timestamp;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use std::{
    collections::BTreeMap,
    sync::{Mutex, MutexGuard, PoisonError},
};

/// What is staged: something that happens in a shop. Without `shop`, it happens in the first one.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct Staged {
    #[serde(default)]
    shop: usize,
    #[serde(default)]
    place: Option<Placed>,
    #[serde(default)]
    r#move: Option<Moved>,
    #[serde(default)]
    claim: Option<Claimed>,
    #[serde(default)]
    split: Option<Split>,
    #[serde(default)]
    merge: Option<Merged>,
    #[serde(default)]
    product: Option<Shelved>,
}

/// Somebody orders.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct Placed {
    order: u64,
    /// Now, if it is left out.
    #[serde(default)]
    at: Option<Timestamp>,
    status: String,
    #[serde(default)]
    inflow: Option<String>,
    #[serde(default)]
    buyer: Option<String>,
    items: Vec<PlacedItem>,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct PlacedItem {
    /// The item's own id; with Coupang, that of the box in which it ships.
    item: u64,
    product: u64,
    quantity: u32,
    price: i64,
    #[serde(default)]
    discount: i64,
}

/// An order, or one item of it, goes on.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct Moved {
    order: u64,
    #[serde(default)]
    item: Option<u64>,
    status: String,
    /// Where it goes from now on.
    #[serde(default)]
    address: Option<String>,
}

/// Units of an item are called off or sent back: at once, or once that is looked into.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct Claimed {
    claim: u64,
    order: u64,
    item: u64,
    quantity: u32,
    #[serde(default)]
    sent_back: bool,
    done: bool,
}

/// Some units of an item are put into another parcel.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct Split {
    order: u64,
    item: u64,
    product: u64,
    units: u32,
    into: u64,
}

/// What is in a parcel is put into another one, with what was claimed of it.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct Merged {
    order: u64,
    item: u64,
    into: u64,
}

/// A product is on sale.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct Shelved {
    product: u64,
    name: String,
    price: i64,
    stock: i64,
}

#[derive(Debug, Clone, Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Order {
    pub(super) order: u64,
    pub(super) at: Timestamp,
    pub(super) inflow: Option<String>,
    pub(super) buyer: Option<String>,
    pub(super) address: String,
    pub(super) items: Vec<Item>,
}

#[derive(Debug, Clone, Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Item {
    pub(super) item: u64,
    pub(super) product: u64,
    pub(super) quantity: u32,
    pub(super) price: i64,
    pub(super) discount: i64,
    pub(super) status: String,
    /// The status before.
    pub(super) was: String,
    pub(super) changed_at: Timestamp,
}

#[derive(Debug, Clone, Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Claim {
    pub(super) claim: u64,
    pub(super) order: u64,
    pub(super) item: u64,
    pub(super) product: u64,
    pub(super) quantity: u32,
    pub(super) sent_back: bool,
    pub(super) done: bool,
    pub(super) at: Timestamp,
}

#[derive(Debug, Clone, Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Product {
    pub(super) product: u64,
    pub(super) name: String,
    pub(super) price: i64,
    pub(super) stock: i64,
}

/// A shop's books.
#[derive(Debug, Default)]
pub(super) struct Shop {
    pub(super) orders: BTreeMap<u64, Order>,
    pub(super) claims: BTreeMap<u64, Claim>,
    pub(super) products: BTreeMap<u64, Product>,
}

impl Shop {
    /// How many units of an item were called off, and how many are asked to be.
    pub(super) fn aborted(&self, order: u64, item: u64, product: u64) -> (u32, u32) {
        let of_item = |claim: &&Claim| (claim.order, claim.item, claim.product) == (order, item, product);
        let units = |done: bool| -> u32 {
            let claims = self.claims.values().filter(of_item).filter(|claim| claim.done == done);
            claims.map(|claim| claim.quantity).sum()
        };
        (units(true), units(false))
    }

    /// The product's name.
    pub(super) fn name(&self, product: u64) -> String {
        self.products.get(&product).map_or_else(|| format!("Product {product}"), |product| product.name.clone())
    }

    fn merge(&mut self, Merged { order: number, item, into }: &Merged) -> Result<(), String> {
        let order = self.orders.get_mut(number).ok_or("there is no such order")?;
        let (merged, mut kept): (Vec<Item>, Vec<Item>) = order.items.drain(..).partition(|one| one.item == *item);
        for one in merged {
            match kept.iter_mut().find(|known| (known.item, known.product) == (*into, one.product)) {
                Some(known) => {
                    known.quantity += one.quantity;
                    known.discount += one.discount;
                }
                None => kept.push(Item { item: *into, ..one }),
            }
        }
        order.items = kept;
        for claim in self.claims.values_mut().filter(|claim| (claim.order, claim.item) == (*number, *item)) {
            claim.item = *into;
        }
        Ok(())
    }

    fn happen(&mut self, staged: Staged, now: Timestamp) -> Result<(), String> {
        let none = |what: &str| format!("there is no such {what}");
        if let Some(Placed { order, at, status, inflow, buyer, items }) = staged.place {
            let item = |placed: PlacedItem| Item {
                item: placed.item,
                product: placed.product,
                quantity: placed.quantity,
                price: placed.price,
                discount: placed.discount,
                was: status.clone(),
                status: status.clone(),
                changed_at: at.unwrap_or(now),
            };
            let items: Vec<Item> = items.into_iter().map(item).collect();
            for item in &items {
                if let Some(product) = self.products.get_mut(&item.product) {
                    product.stock -= i64::from(item.quantity);
                }
            }
            self.orders.insert(
                order,
                Order { order, at: at.unwrap_or(now), inflow, buyer, address: "서울시 마포구".into(), items },
            );
        }
        if let Some(Moved { order, item, status, address }) = staged.r#move {
            let order = self.orders.get_mut(&order).ok_or_else(|| none("order"))?;
            order.address = address.unwrap_or(std::mem::take(&mut order.address));
            for moved in order.items.iter_mut().filter(|one| item.is_none_or(|item| one.item == item)) {
                moved.was = std::mem::replace(&mut moved.status, status.clone());
                moved.changed_at = now;
            }
        }
        if let Some(Claimed { claim, order, item, quantity, sent_back, done }) = staged.claim {
            let of = self.orders.get_mut(&order).ok_or_else(|| none("order"))?;
            let of = of.items.iter_mut().find(|one| one.item == item).ok_or_else(|| none("item"))?;
            of.changed_at = now;
            let product = of.product;
            let at = self.claims.get(&claim).map_or(now, |known| known.at);
            self.claims.insert(claim, Claim { claim, order, item, product, quantity, sent_back, done, at });
        }
        if let Some(Split { order, item, product, units, into }) = staged.split {
            let order = self.orders.get_mut(&order).ok_or_else(|| none("order"))?;
            let is_split = |one: &&mut Item| (one.item, one.product) == (item, product) && one.quantity > units;
            let of = order.items.iter_mut().find(is_split).ok_or_else(|| none("item with more units"))?;
            of.quantity -= units;
            let discount = of.discount * i64::from(units) / i64::from(of.quantity + units);
            of.discount -= discount;
            let parted = Item { item: into, quantity: units, discount, ..of.clone() };
            order.items.push(parted);
        }
        if let Some(merged) = staged.merge {
            self.merge(&merged)?;
        }
        if let Some(Shelved { product, name, price, stock }) = staged.product {
            self.products.insert(product, Product { product, name, price, stock });
        }
        Ok(())
    }
}

/// A marketplace with two shops.
#[derive(Debug, Default)]
pub(super) struct Market([Mutex<Shop>; 2]);

impl Market {
    /// A shop's books.
    pub(super) fn shop(&self, place: usize) -> MutexGuard<'_, Shop> {
        self.0[place.min(1)].lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Lets something happen in a shop.
    pub(super) fn stage(&self, what: &Value, now: Timestamp) -> Result<(), String> {
        let staged = Staged::deserialize(what).map_err(|error| error.to_string())?;
        if staged.shop > 1 {
            return Err("there are two shops: 0 and 1".into());
        }
        self.shop(staged.shop).happen(staged, now)
    }

    pub(super) fn books(&self) -> Value {
        let shop = |place: usize| {
            let shop = self.shop(place);
            let (orders, claims, products) = (&shop.orders, &shop.claims, &shop.products);
            json!({
                "orders": orders.values().collect::<Vec<_>>(), "claims": claims.values().collect::<Vec<_>>(),
                "products": products.values().collect::<Vec<_>>(),
            })
        };
        json!({ "shops": [shop(0), shop(1)] })
    }
}

/// The values of a query, decoded, by name.
pub(super) fn values(query: &str) -> BTreeMap<String, String> {
    let pair = |pair: &str| {
        let (name, value) = pair.split_once('=').unwrap_or((pair, ""));
        let value = percent_encoding::percent_decode_str(value).decode_utf8_lossy().into_owned();
        (name.to_owned(), value)
    };
    query.split('&').filter(|one| !one.is_empty()).map(pair).collect()
}

/// A time as Korea's clocks have it, with the offset.
pub(super) fn on_korean_clocks(time: Timestamp) -> String {
    time.plus(domain::campaign::KST).to_string().replace('Z', "+09:00")
}

/// Calls in the last second, for a marketplace that counts them.
#[derive(Debug, Default)]
pub(super) struct Pace(Mutex<Vec<Timestamp>>);

impl Pace {
    /// Counts a call; tells how many more there may be in this second, or none, if this one is too many.
    pub(super) fn count(&self, now: Timestamp, most: usize) -> Option<usize> {
        let mut calls = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        calls.retain(|call| now < call.plus(std::time::Duration::from_secs(1)));
        if calls.len() >= most {
            return None;
        }
        calls.push(now);
        Some(most - calls.len())
    }
}
