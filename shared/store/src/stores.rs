//! Store profiles, with the flag that says whether the store is open.

use crate::{
    Item, Page, PageRequest, Stores, Transaction, Write,
    item::{read, row, string, text},
    keys,
};
use aws_sdk_dynamodb::types::AttributeValue;
use domain::{Fault, StoreId, store::StoreProfile};

/// The value of `catalogue` under which the index lists stores.
const STORES: &str = "STORES";

impl Stores<'_> {
    /// Reads a store's profile.
    pub async fn get(self, id: &StoreId) -> Result<Option<StoreProfile>, Fault> {
        self.0
            .get(&self.0.tables.products, &keys::store_profile(id))
            .await?
            .map(profile_in)
            .transpose()
    }

    /// A page of the stores, by id. `Page::next` is the id of the last store.
    pub async fn list(self, page: &PageRequest) -> Result<Page<StoreProfile>, Fault> {
        let start = page.after.as_deref().map(|id| {
            let mut start = keys::store_profile(&StoreId::parse(id).map_err(Fault::broken)?).item();
            start.insert("catalogue".into(), text(STORES));
            start.insert("productId".into(), text(id));
            Ok::<_, Fault>(start)
        });
        let start = start.transpose()?;
        let call = || {
            let request =
                self.0.client.query().table_name(&self.0.tables.products).index_name("all");
            let request = request.key_condition_expression("catalogue = :stores");
            let request = request.expression_attribute_values(":stores", text(STORES));
            request.limit(page.fetched()).set_exclusive_start_key(start.clone()).send()
        };
        let response = self.0.send(call).await?;
        let page =
            page.cut(response.items.unwrap_or_default(), response.last_evaluated_key, |item| {
                string(item, "productId").map(str::to_owned)
            })?;
        Ok(Page {
            entries: page.entries.into_iter().map(profile_in).collect::<Result<_, _>>()?,
            next: page.next,
        })
    }

    /// Reads the profiles of stores. Unknown stores are left out.
    pub async fn many(self, ids: &[&StoreId]) -> Result<Vec<StoreProfile>, Fault> {
        let table = self.0.tables.products.as_str();
        let mut found =
            self.0.batch_get(ids.iter().map(|id| (table, keys::store_profile(id)))).await?;
        ids.iter().filter_map(|id| found.take(&keys::store_profile(id))).map(profile_in).collect()
    }

    /// Upserts a store's profile, without a condition.
    pub async fn put(self, profile: &StoreProfile) -> Result<(), Fault> {
        let mut item = row(&keys::store_profile(&profile.store_id), profile)?;
        // One index lists products and stores, each under its own `catalogue` value, sorted by
        // `productId`: for a store, that attribute is the store's id.
        item.insert("catalogue".into(), text(STORES));
        item.insert("productId".into(), text(&profile.store_id));
        // Without `storeId`, the row stays out of the index of a store's products.
        item.remove("storeId");
        item.insert("id".into(), text(&profile.store_id));
        let put = Write::put(&self.0.tables.products, item);
        Transaction::default().with(put, ()).commit_unconditional(self.0).await
    }

    /// Asserts that a store is open. A store that was never set up counts as closed, because its
    /// orders would go unseen.
    pub fn check_open(self, id: &StoreId) -> Write {
        Write::check(&self.0.tables.products, keys::store_profile(id))
            .when("#open = :true")
            .name("#open", "open")
            .value(":true", AttributeValue::Bool(true))
    }
}

/// Reads a profile from its row, which stores the id as `id`: `storeId` would put it into an index.
fn profile_in(mut item: Item) -> Result<StoreProfile, Fault> {
    if let Some(id) = item.remove("id") {
        item.insert("storeId".into(), id);
    }
    read(item)
}
