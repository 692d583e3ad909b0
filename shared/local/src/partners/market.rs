//! The records of a stub of a marketplace: shops with their orders and products.
//!
//! A tester stages what happens in a shop. The stubs present it as their marketplaces would.

use domain::Timestamp;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use std::{
    collections::BTreeMap,
    sync::{Mutex, MutexGuard, PoisonError},
};

/// What is staged: something that happens in a shop. Without `shop`, it happens in the first shop.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct Staged {
    #[serde(default)]
    shop: usize,
    #[serde(default)]
    place: Option<Placed>,
    #[serde(default)]
    r#move: Option<StatusChange>,
    #[serde(default)]
    claim: Option<Claimed>,
    #[serde(default)]
    split: Option<Split>,
    #[serde(default)]
    merge: Option<Merged>,
    #[serde(default)]
    product: Option<ProductOnSale>,
}

/// A customer places an order.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct Placed {
    order: u64,
    /// Now, if it is missing.
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
    /// The item's id. For Coupang, the id of the box in which it ships.
    item: u64,
    product: u64,
    quantity: u32,
    price: i64,
    #[serde(default)]
    discount: i64,
}

/// An order, or one of its items, changes its status.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct StatusChange {
    order: u64,
    #[serde(default)]
    item: Option<u64>,
    status: String,
    /// The new delivery address.
    #[serde(default)]
    address: Option<String>,
}

/// Units of an item are cancelled or returned. The claim is either completed (`done`) or pending.
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

/// Some units of an item are moved to another parcel.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct Split {
    order: u64,
    item: u64,
    product: u64,
    units: u32,
    into: u64,
}

/// The contents of a parcel are moved to another one, with the claims for them.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct Merged {
    order: u64,
    item: u64,
    into: u64,
}

/// A product is put on sale.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct ProductOnSale {
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
    /// The previous status.
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

/// The records of a shop.
#[derive(Debug, Default)]
pub(super) struct Shop {
    pub(super) orders: BTreeMap<u64, Order>,
    pub(super) claims: BTreeMap<u64, Claim>,
    pub(super) products: BTreeMap<u64, Product>,
}

impl Shop {
    /// The units of an item that are claimed: those of completed claims and those of pending
    /// claims.
    pub(super) fn aborted(&self, order: u64, item: u64, product: u64) -> (u32, u32) {
        let of_item =
            |claim: &&Claim| (claim.order, claim.item, claim.product) == (order, item, product);
        let units = |done: bool| -> u32 {
            let claims = self.claims.values().filter(of_item).filter(|claim| claim.done == done);
            claims.map(|claim| claim.quantity).sum()
        };
        (units(true), units(false))
    }

    /// The product's name, or a placeholder if the product is unknown.
    pub(super) fn name(&self, product: u64) -> String {
        self.products
            .get(&product)
            .map_or_else(|| format!("Product {product}"), |product| product.name.clone())
    }

    fn merge(&mut self, Merged { order: number, item, into }: &Merged) -> Result<(), String> {
        let order = self.orders.get_mut(number).ok_or("there is no such order")?;
        let (merged, mut others): (Vec<Item>, Vec<Item>) =
            order.items.drain(..).partition(|one| one.item == *item);
        for one in merged {
            match others
                .iter_mut()
                .find(|known| (known.item, known.product) == (*into, one.product))
            {
                Some(known) => {
                    known.quantity += one.quantity;
                    known.discount += one.discount;
                }
                None => others.push(Item { item: *into, ..one }),
            }
        }
        order.items = others;
        for claim in
            self.claims.values_mut().filter(|claim| (claim.order, claim.item) == (*number, *item))
        {
            claim.item = *into;
        }
        Ok(())
    }

    fn apply(&mut self, staged: Staged, now: Timestamp) -> Result<(), String> {
        if let Some(placed) = staged.place {
            self.place(placed, now);
        }
        if let Some(change) = staged.r#move {
            self.change_status(change, now)?;
        }
        if let Some(claimed) = staged.claim {
            self.open_claim(claimed, now)?;
        }
        if let Some(split) = staged.split {
            self.split(split)?;
        }
        if let Some(merged) = staged.merge {
            self.merge(&merged)?;
        }
        if let Some(ProductOnSale { product, name, price, stock }) = staged.product {
            self.products.insert(product, Product { product, name, price, stock });
        }
        Ok(())
    }

    fn order_mut(&mut self, order: u64) -> Result<&mut Order, String> {
        self.orders.get_mut(&order).ok_or_else(|| "there is no such order".to_owned())
    }

    /// Places an order and takes its units from the shop's own stock.
    fn place(&mut self, placed: Placed, now: Timestamp) {
        let Placed { order, at, status, inflow, buyer, items } = placed;
        let at = at.unwrap_or(now);
        let item = |placed: PlacedItem| Item {
            item: placed.item,
            product: placed.product,
            quantity: placed.quantity,
            price: placed.price,
            discount: placed.discount,
            was: status.clone(),
            status: status.clone(),
            changed_at: at,
        };
        let items: Vec<Item> = items.into_iter().map(item).collect();
        for item in &items {
            if let Some(product) = self.products.get_mut(&item.product) {
                product.stock -= i64::from(item.quantity);
            }
        }
        let address = "서울시 마포구".into();
        self.orders.insert(order, Order { order, at, inflow, buyer, address, items });
    }

    fn change_status(&mut self, change: StatusChange, now: Timestamp) -> Result<(), String> {
        let StatusChange { order, item, status, address } = change;
        let order = self.order_mut(order)?;
        if let Some(address) = address {
            order.address = address;
        }
        for changed in order.items.iter_mut().filter(|one| item.is_none_or(|item| one.item == item))
        {
            changed.was = std::mem::replace(&mut changed.status, status.clone());
            changed.changed_at = now;
        }
        Ok(())
    }

    fn open_claim(&mut self, claimed: Claimed, now: Timestamp) -> Result<(), String> {
        let Claimed { claim, order, item, quantity, sent_back, done } = claimed;
        let of = self.order_mut(order)?.items.iter_mut().find(|one| one.item == item);
        let of = of.ok_or("there is no such item")?;
        of.changed_at = now;
        let product = of.product;
        let at = self.claims.get(&claim).map_or(now, |known| known.at);
        self.claims
            .insert(claim, Claim { claim, order, item, product, quantity, sent_back, done, at });
        Ok(())
    }

    /// Moves units of an item, with their part of its discount, into a new item.
    fn split(&mut self, split: Split) -> Result<(), String> {
        let Split { order, item, product, units, into } = split;
        let order = self.order_mut(order)?;
        let is_split =
            |one: &&mut Item| (one.item, one.product) == (item, product) && one.quantity > units;
        let of = order.items.iter_mut().find(is_split);
        let of = of.ok_or("there is no such item with more units")?;
        let discount = of.discount * i64::from(units) / i64::from(of.quantity);
        of.quantity -= units;
        of.discount -= discount;
        let moved = Item { item: into, quantity: units, discount, ..of.clone() };
        order.items.push(moved);
        Ok(())
    }
}

/// A marketplace with two shops.
#[derive(Debug, Default)]
pub(super) struct Market([Mutex<Shop>; 2]);

impl Market {
    /// The records of the shop with this index: 0 or 1.
    pub(super) fn shop(&self, place: usize) -> MutexGuard<'_, Shop> {
        self.0[place.min(1)].lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Makes something happen in a shop. The error says why it cannot happen.
    pub(super) fn stage(&self, what: &Value, now: Timestamp) -> Result<(), String> {
        let staged = Staged::deserialize(what).map_err(|error| error.to_string())?;
        if staged.shop > 1 {
            return Err("`shop` must be 0 or 1".into());
        }
        self.shop(staged.shop).apply(staged, now)
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

/// The decoded values of a query, by name.
pub(super) fn values(query: &str) -> BTreeMap<String, String> {
    let pair = |pair: &str| {
        let (name, value) = pair.split_once('=').unwrap_or((pair, ""));
        let value = percent_encoding::percent_decode_str(value).decode_utf8_lossy().into_owned();
        (name.to_owned(), value)
    };
    query.split('&').filter(|one| !one.is_empty()).map(pair).collect()
}

/// Formats a time as Korean time, with its offset.
pub(super) fn on_korean_clocks(time: Timestamp) -> String {
    time.plus(domain::campaign::KST).to_string().replace('Z', "+09:00")
}

/// The calls of the last second, for a marketplace with a rate limit.
#[derive(Debug, Default)]
pub(super) struct Pace(Mutex<Vec<Timestamp>>);

impl Pace {
    /// Counts a call. Returns how many more calls are permitted in this second. `None`: this call
    /// exceeds the limit.
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
