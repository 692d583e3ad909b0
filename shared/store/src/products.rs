//! Products, their stock, and stock movements that are not orders.

use crate::{
    Item, Page, PageRequest, Products, Stocks, Write,
    item::{Key, number, read, row, string, text},
    keys,
};
use aws_sdk_dynamodb::types::AttributeValue;
use domain::{
    Fault, OrderId, ProductId, StoreId, Timestamp, Won,
    actor::Actor,
    basket::Quantity,
    product::{MAX_STOCK, Price, Product, ProductStatus},
};
use serde::{Deserialize, Serialize};

/// A product's stock, with the attributes that an order asserts when it takes units.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Stock {
    /// Units in stock.
    pub quantity: i64,
    /// The price of one unit.
    pub price: Price,
    /// Whether the product can be ordered.
    pub active: bool,
    /// The store that prepares the product.
    pub store_id: Option<StoreId>,
}

impl Stock {
    /// Reads a stock from its row.
    pub fn of(item: Item) -> Result<Self, Fault> {
        read(item)
    }
}

/// A product with its stock.
#[derive(Debug, Clone)]
pub struct StockedProduct {
    /// The product's master data.
    pub product: Product,
    /// Units in stock.
    pub quantity: i64,
    /// The number of writes of the master data. 0 before the first.
    pub version: i64,
}

/// A stock movement that is not an own order.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Movement {
    /// Units added (positive) or removed (negative).
    pub delta: i64,
    /// The reason, as the operator gave it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
    /// The channel order that caused the movement, if one did.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub order_id: Option<OrderId>,
    /// Who made the movement. Movements made before this was recorded have none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub by: Option<Actor>,
    /// The time of the movement.
    pub at: Timestamp,
}

/// A requested change of a stock.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "UPPERCASE")]
pub enum StockChange {
    /// Add (positive) or remove (negative) this number of units.
    By(i64),
    /// Set the stock to this number of units.
    To(i64),
}

/// A stock adjustment, as the response states it. A replay receives the same response.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct StockAdjustment {
    /// The product's id.
    pub product_id: ProductId,
    /// Units in stock immediately after the adjustment.
    pub quantity: i64,
    /// The requested change.
    pub change: StockChange,
    /// The reason, as the operator gave it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
}

/// The filter of a product listing.
#[derive(Debug, Clone)]
pub enum Listing {
    /// All products.
    Everything,
    /// The products of a category.
    Category(String),
    /// The products of a store.
    Store(StoreId),
}

/// The attributes of the master data row that [`Product`] does not have.
#[derive(Serialize, Deserialize)]
struct Info {
    version: i64,
    /// The same value in all rows, so that one index lists every product.
    catalogue: String,
}

const CATALOGUE: &str = "ALL";

impl Products<'_> {
    /// Reads a product and its stock in one batch.
    pub async fn get(self, id: &ProductId) -> Result<Option<StockedProduct>, Fault> {
        Ok(self.many_with_stock(std::slice::from_ref(id)).await?.into_iter().next().flatten())
    }

    /// Reads the master data of products. Unknown products are left out.
    pub async fn many(self, ids: &[ProductId]) -> Result<Vec<Product>, Fault> {
        let table = self.0.tables.products.as_str();
        let mut found = self.0.batch_get(ids.iter().map(|id| (table, keys::info(id)))).await?;
        ids.iter().filter_map(|id| found.take(&keys::info(id))).map(read).collect()
    }

    /// A page of a listing, by product id. `Page::next` is the id of the last product.
    pub async fn list(
        self,
        listing: &Listing,
        page: &PageRequest,
    ) -> Result<Page<StockedProduct>, Fault> {
        let (index, attribute, value) = match listing {
            Listing::Everything => ("all", "catalogue", CATALOGUE),
            Listing::Category(category) => ("by-category", "category", category.as_str()),
            Listing::Store(store) => ("by-store", "storeId", store.as_str()),
        };
        let table = self.0.tables.products.as_str();
        let start =
            page.after.as_deref().map(|id| listing_position(id, attribute, value)).transpose()?;
        let call = || {
            let request = self
                .0
                .client
                .query()
                .table_name(table)
                .index_name(index)
                .key_condition_expression("#by = :value");
            let request = request
                .expression_attribute_names("#by", attribute)
                .expression_attribute_values(":value", text(value));
            request.limit(page.fetched()).set_exclusive_start_key(start.clone()).send()
        };
        let response = self.0.send(call).await?;
        let place = |item: &Item| string(item, "productId").map(str::to_owned);
        let Page { entries: infos, next } =
            page.cut(response.items.unwrap_or_default(), response.last_evaluated_key, place)?;
        let ids: Vec<ProductId> = infos
            .iter()
            .map(|info| {
                string(info, "productId").and_then(|id| ProductId::parse(id).map_err(Fault::broken))
            })
            .collect::<Result<_, _>>()?;
        let mut stocks = self.0.batch_get(ids.iter().map(|id| (table, keys::stock(id)))).await?;
        let pairs = infos
            .into_iter()
            .zip(&ids)
            .filter_map(|(info, id)| Some((info, stocks.take(&keys::stock(id))?)));
        Ok(Page {
            entries: pairs.map(|(info, stock)| stocked(info, stock)).collect::<Result<_, _>>()?,
            next,
        })
    }

    /// Writes the master data of a product, if its stored version is still `seen_version` (0: it
    /// does not exist yet).
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

    /// Reads products with their stock, in the order of the ids. `None` where a product is unknown.
    /// One batch for each 50 products.
    pub async fn many_with_stock(
        self,
        ids: &[ProductId],
    ) -> Result<Vec<Option<StockedProduct>>, Fault> {
        let table = self.0.tables.products.as_str();
        let keys =
            ids.iter().flat_map(|id| [keys::info(id), keys::stock(id)]).map(|key| (table, key));
        let mut found = self.0.batch_get(keys).await?;
        let mut stocked_one =
            |id: &ProductId| match (found.take(&keys::info(id)), found.take(&keys::stock(id))) {
                (Some(info), Some(stock)) => stocked(info, stock).map(Some),
                _ => Ok(None),
            };
        ids.iter().map(&mut stocked_one).collect()
    }
}

impl Stocks<'_> {
    /// Writes the attributes that an order asserts. A new product has no units in stock.
    pub fn put(self, product: &Product, is_new: bool) -> Write {
        let set = "SET price = :price, active = :active, quantity = if_not_exists(quantity, :none)";
        let expression = match &product.store_id {
            Some(_) => format!("{set}, storeId = :store"),
            None => format!("{set} REMOVE storeId"),
        };
        let write =
            Write::update(&self.0.tables.products, keys::stock(&product.product_id), &expression)
                .when(if is_new { "attribute_not_exists(pk)" } else { "attribute_exists(pk)" })
                .value(":price", number(product.price.into()))
                .value(":active", AttributeValue::Bool(product.status == ProductStatus::Active))
                .value(":none", number(0));
        match &product.store_id {
            Some(store) => write.value(":store", text(store)),
            None => write,
        }
    }

    /// Takes units for an order, if there are enough, the price and the store match, and the
    /// product is active.
    pub fn take(
        self,
        product: &ProductId,
        quantity: Quantity,
        price: Won,
        store: Option<&StoreId>,
    ) -> Write {
        let asserted = "quantity >= :units AND price = :price AND active = :true AND ";
        let write = Write::update(
            &self.0.tables.products,
            keys::stock(product),
            "SET quantity = quantity - :units",
        )
        .value(":units", number(quantity.into()))
        .value(":price", number(price.get()))
        .value(":true", AttributeValue::Bool(true));
        match store {
            Some(store) => {
                write.when(format!("{asserted} storeId = :store")).value(":store", text(store))
            }
            None => write.when(format!("{asserted} attribute_not_exists(storeId)")),
        }
    }

    /// Returns the units of an order to the stock. The stock limit does not apply, because the
    /// units exist.
    pub fn release(self, product: &ProductId, quantity: Quantity) -> Write {
        Write::update(
            &self.0.tables.products,
            keys::stock(product),
            "SET quantity = quantity + :units",
        )
        .when("attribute_exists(pk)")
        .value(":units", number(quantity.into()))
    }

    /// Reads what an adjustment depends on: the stock, and the adjustment already made under the
    /// idempotency key with this hash.
    pub async fn read_for_adjustment(
        self,
        product: &ProductId,
        key_hash: Option<&str>,
    ) -> Result<(Option<Stock>, Option<StockAdjustment>), Fault> {
        let table = self.0.tables.products.as_str();
        let (stock, adjustment) =
            (keys::stock(product), key_hash.map(|hash| keys::adjustment(product, hash)));
        let wanted: Vec<(&str, Key)> = std::iter::once(stock.clone())
            .chain(adjustment.clone())
            .map(|key| (table, key))
            .collect();
        let mut found = self.0.batch_get(wanted).await?;
        let made = adjustment.and_then(|key| found.take(&key)).map(read).transpose()?;
        Ok((found.take(&stock).map(Stock::of).transpose()?, made))
    }

    /// Sets a stock, if it is unchanged since it was read.
    pub fn set_quantity(self, product: &ProductId, seen: i64, quantity: i64) -> Write {
        debug_assert!((0..=MAX_STOCK).contains(&quantity), "the caller checks the limits");
        Write::update(&self.0.tables.products, keys::stock(product), "SET quantity = :quantity")
            .when("quantity = :seen")
            .value(":seen", number(seen))
            .value(":quantity", number(quantity))
    }

    /// Records a stock movement.
    pub fn put_movement(
        self,
        product: &ProductId,
        ulid: &str,
        movement: &Movement,
    ) -> Result<Write, Fault> {
        Ok(Write::put(&self.0.tables.products, row(&keys::movement(product, ulid), movement)?)
            .when_new())
    }

    /// Records the adjustment made under an idempotency key.
    pub fn put_adjustment(
        self,
        adjusted: &StockAdjustment,
        key_hash: &str,
    ) -> Result<Write, Fault> {
        Ok(Write::put(
            &self.0.tables.products,
            row(&keys::adjustment(&adjusted.product_id, key_hash), adjusted)?,
        )
        .when_new())
    }
}

fn stocked(info: Item, stock: Item) -> Result<StockedProduct, Fault> {
    let Info { version, .. } = read(info.clone())?;
    Ok(StockedProduct { product: read(info)?, quantity: Stock::of(stock)?.quantity, version })
}

/// The exclusive start key of a product in an index: the index's attributes and the table's key.
fn listing_position(id: &str, attribute: &str, value: &str) -> Result<Item, Fault> {
    let product = ProductId::parse(id).map_err(Fault::broken)?;
    let mut position = keys::info(&product).item();
    position.insert("productId".into(), text(&product));
    position.insert(attribute.into(), text(value));
    Ok(position)
}
