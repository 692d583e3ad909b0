//! The Lambda function `list-campaign-orders`.

fn main() -> Result<(), edge::Error> {
    edge::run(&campaigns::list_campaign_orders::function())
}
