//! Products, their stock, and the movements of stock that are not orders.

use crate::{
    Item, Page, PageRequest, Products, Stocks, Write,
    item::{number, read, row, string, text},
    keys::{self, Key},
};
use aws_sdk_dynamodb::types::AttributeValue;
use domain::{
    Fault, OrderId, ProductId, StoreId, Timestamp, Won,
    basket::Quantity,
    product::{MAX_STOCK, Price, Product, ProductStatus},
};
use serde::{Deserialize, Serialize};

/// A product's stock item: how many are left, and what an order must assert when it takes some.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Stock {
    /// Units left.
    pub quantity: i64,
    /// The price of one unit.
    pub price: Price,
    /// Whether it can be ordered.
    pub active: bool,
    /// The store that makes it.
    pub store_id: Option<StoreId>,
}

impl Stock {
    /// Reads a stock item.
    pub fn of(item: Item) -> Result<Self, Fault> {
        read(item)
    }
}

/// A product with its stock.
#[derive(Debug, Clone)]
pub struct StockedProduct {
    /// What is known of it.
    pub product: Product,
    /// How many are left.
    pub quantity: i64,
    /// How often it was put; 0 before the first time.
    pub version: i64,
}

/// One change of a stock that was not an order.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Movement {
    /// Units that came in (positive) or went out.
    pub delta: i64,
    /// Why, in the operator's words.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
    /// The order of a sales channel that it is for, if it is for one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub order_id: Option<OrderId>,
    /// When.
    pub at: Timestamp,
}

/// A change of a stock that somebody asks for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "UPPERCASE")]
pub enum StockChange {
    /// By so many units.
    By(i64),
    /// To so many units.
    To(i64),
}

/// An adjustment as it was answered: what a repeat under its key is answered with.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct StockAdjustment {
    /// Which product.
    pub product_id: ProductId,
    /// Units left just after.
    pub quantity: i64,
    /// The change that was asked for.
    pub change: StockChange,
    /// Why, in the operator's words.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
}

/// Which products a listing has.
#[derive(Debug, Clone)]
pub enum Listing {
    /// All of them.
    Everything,
    /// Those of a category.
    Category(String),
    /// Those of a store.
    Store(StoreId),
}

/// A row of product information: the product and what only its row has.
#[derive(Serialize, Deserialize)]
struct Info {
    version: i64,
    /// One value for all, so that one index lists everything.
    catalogue: String,
}

const CATALOGUE: &str = "ALL";

impl Products<'_> {
    /// A product and its stock at this moment, in one call.
    pub async fn get(self, id: &ProductId) -> Result<Option<StockedProduct>, Fault> {
        Ok(self.many_with_stock(std::slice::from_ref(id)).await?.into_iter().next().flatten())
    }

    /// What is known of some products; those unknown are left out.
    pub async fn many(self, ids: &[ProductId]) -> Result<Vec<Product>, Fault> {
        let table = self.0.tables.products.as_str();
        let mut found = self.0.batch_get(ids.iter().map(|id| (table, keys::info(id)))).await?;
        ids.iter().filter_map(|id| found.take(&keys::info(id))).map(read).collect()
    }

    /// A page of a listing, by product id. A page's `next` is the id of its last product.
    pub async fn list(self, listing: &Listing, page: &PageRequest) -> Result<Page<StockedProduct>, Fault> {
        let (index, attribute, value) = match listing {
            Listing::Everything => ("all", "catalogue", CATALOGUE),
            Listing::Category(category) => ("by-category", "category", category.as_str()),
            Listing::Store(store) => ("by-store", "storeId", store.as_str()),
        };
        let table = self.0.tables.products.as_str();
        let start = page.after.as_deref().map(|id| listing_position(id, attribute, value)).transpose()?;
        let call = || {
            let request =
                self.0.client.query().table_name(table).index_name(index).key_condition_expression("#by = :value");
            let request =
                request.expression_attribute_names("#by", attribute).expression_attribute_values(":value", text(value));
            request.limit(page.fetched()).set_exclusive_start_key(start.clone()).send()
        };
        let answer = self.0.ask(call).await?;
        let place = |item: &Item| string(item, "productId").map(str::to_owned);
        let Page { entries: infos, next } =
            page.cut(answer.items.unwrap_or_default(), answer.last_evaluated_key, place)?;
        let ids: Vec<ProductId> = infos
            .iter()
            .map(|info| string(info, "productId").and_then(|id| ProductId::parse(id).map_err(Fault::broken)))
            .collect::<Result<_, _>>()?;
        let mut stocks = self.0.batch_get(ids.iter().map(|id| (table, keys::stock(id)))).await?;
        let pairs = infos.into_iter().zip(&ids).filter_map(|(info, id)| Some((info, stocks.take(&keys::stock(id))?)));
        Ok(Page { entries: pairs.map(|(info, stock)| stocked(info, stock)).collect::<Result<_, _>>()?, next })
    }

    /// Puts what is known of a product, if nobody put it since `seen_version` (0: if nobody ever did).
    pub fn put(self, product: &Product, seen_version: i64) -> Result<Write, Fault> {
        let key = keys::info(&product.product_id);
        let mut item = row(&key, product)?;
        item.extend(row(&key, &Info { version: seen_version + 1, catalogue: CATALOGUE.into() })?);
        let write = Write::put(&self.0.tables.products, item);
        Ok(match seen_version {
            0 => write.when_new(),
            seen => write.when("version = :seen").value(":seen", number(seen)),
        })
    }

    /// Products with their stock, in the same order; those unknown are none. One call for each fifty.
    pub async fn many_with_stock(self, ids: &[ProductId]) -> Result<Vec<Option<StockedProduct>>, Fault> {
        let table = self.0.tables.products.as_str();
        let keys = ids.iter().flat_map(|id| [keys::info(id), keys::stock(id)]).map(|key| (table, key));
        let mut found = self.0.batch_get(keys).await?;
        let mut stocked_one = |id: &ProductId| match (found.take(&keys::info(id)), found.take(&keys::stock(id))) {
            (Some(info), Some(stock)) => stocked(info, stock).map(Some),
            _ => Ok(None),
        };
        ids.iter().map(&mut stocked_one).collect()
    }
}

impl Stocks<'_> {
    /// Puts what an order asserts of a product; a new one has no stock.
    pub fn put(self, product: &Product, is_new: bool) -> Write {
        let set = "SET price = :price, active = :active, quantity = if_not_exists(quantity, :none)";
        let expression = match &product.store_id {
            Some(_) => format!("{set}, storeId = :store"),
            None => format!("{set} REMOVE storeId"),
        };
        let write = Write::update(&self.0.tables.products, keys::stock(&product.product_id), &expression)
            .when(if is_new { "attribute_not_exists(pk)" } else { "attribute_exists(pk)" })
            .value(":price", number(product.price.into()))
            .value(":active", AttributeValue::Bool(product.status == ProductStatus::Active))
            .value(":none", number(0));
        match &product.store_id {
            Some(store) => write.value(":store", text(store)),
            None => write,
        }
    }

    /// Takes units for an order, if there are as many, at this price, of this store, and they may be sold.
    pub fn take(self, product: &ProductId, quantity: Quantity, price: Won, store: Option<&StoreId>) -> Write {
        let asserted = "quantity >= :units AND price = :price AND active = :true AND ";
        let write = Write::update(&self.0.tables.products, keys::stock(product), "SET quantity = quantity - :units")
            .value(":units", number(quantity.into()))
            .value(":price", number(price.get()))
            .value(":true", AttributeValue::Bool(true));
        match store {
            Some(store) => write.when(format!("{asserted} storeId = :store")).value(":store", text(store)),
            None => write.when(format!("{asserted} attribute_not_exists(storeId)")),
        }
    }

    /// Puts the units of an order back. The limit of a stock does not keep them out: they are there.
    pub fn release(self, product: &ProductId, quantity: Quantity) -> Write {
        Write::update(&self.0.tables.products, keys::stock(product), "SET quantity = quantity + :units")
            .when("attribute_exists(pk)")
            .value(":units", number(quantity.into()))
    }

    /// What an adjustment must know: the stock, and the adjustment already made under the key whose hash is given.
    pub async fn read_for_adjustment(
        self,
        product: &ProductId,
        key_hash: Option<&str>,
    ) -> Result<(Option<Stock>, Option<StockAdjustment>), Fault> {
        let table = self.0.tables.products.as_str();
        let (stock, adjustment) = (keys::stock(product), key_hash.map(|hash| keys::adjustment(product, hash)));
        let wanted: Vec<(&str, Key)> =
            std::iter::once(stock.clone()).chain(adjustment.clone()).map(|key| (table, key)).collect();
        let mut found = self.0.batch_get(wanted).await?;
        let made = adjustment.and_then(|key| found.take(&key)).map(read).transpose()?;
        Ok((found.take(&stock).map(Stock::of).transpose()?, made))
    }

    /// Sets a stock, if it is still what was seen.
    pub fn set_quantity(self, product: &ProductId, seen: i64, quantity: i64) -> Write {
        debug_assert!((0..=MAX_STOCK).contains(&quantity), "the caller keeps the limits");
        Write::update(&self.0.tables.products, keys::stock(product), "SET quantity = :quantity")
            .when("quantity = :seen")
            .value(":seen", number(seen))
            .value(":quantity", number(quantity))
    }

    /// Writes down a movement of stock.
    pub fn put_movement(self, product: &ProductId, ulid: &str, movement: &Movement) -> Result<Write, Fault> {
        Ok(Write::put(&self.0.tables.products, row(&keys::movement(product, ulid), movement)?).when_new())
    }

    /// Records that an adjustment was made under an idempotency key.
    pub fn put_adjustment(self, adjusted: &StockAdjustment, key_hash: &str) -> Result<Write, Fault> {
        Ok(Write::put(&self.0.tables.products, row(&keys::adjustment(&adjusted.product_id, key_hash), adjusted)?)
            .when_new())
    }
}

fn stocked(info: Item, stock: Item) -> Result<StockedProduct, Fault> {
    let Info { version, .. } = read(info.clone())?;
    Ok(StockedProduct { product: read(info)?, quantity: Stock::of(stock)?.quantity, version })
}

/// The position of a product in an index, whose key has both the index's attributes and the table's.
fn listing_position(id: &str, attribute: &str, value: &str) -> Result<Item, Fault> {
    let product = ProductId::parse(id).map_err(Fault::broken)?;
    let mut position = keys::info(&product).item();
    position.insert("productId".into(), text(&product));
    position.insert(attribute.into(), text(value));
    Ok(position)
}
