from django.db import migrations

PRODUCTS = [("Teapot", 3900), ("Two cups", 1800), ("Strainer", 900)]


def add(apps, schema_editor):
    product = apps.get_model("catalogue", "Product")
    product.objects.bulk_create(product(name=name, price_cents=price) for name, price in PRODUCTS)


class Migration(migrations.Migration):
    dependencies = [("catalogue", "0001_initial")]
    operations = [migrations.RunPython(add, migrations.RunPython.noop)]
