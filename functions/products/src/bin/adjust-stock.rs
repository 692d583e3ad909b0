//! The Lambda function `adjust-stock`.

fn main() -> Result<(), edge::Error> {
    edge::run(&products::adjust_stock::function())
}
