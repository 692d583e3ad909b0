//! The Lambda function `list-products`.

fn main() -> Result<(), edge::Error> {
    edge::run(&products::list_products::function())
}
