from catalogue import views
from django.urls import path

urlpatterns = [
    path("api/products", views.products),
    path("api/orders", views.order),
    path("healthz", views.healthz),
]
