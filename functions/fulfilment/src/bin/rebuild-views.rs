//! The Lambda function `rebuild-views`.

fn main() -> Result<(), edge::Error> {
    edge::run(&fulfilment::rebuild_views::function())
}
