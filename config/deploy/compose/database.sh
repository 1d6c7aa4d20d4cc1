#!/bin/sh
# Run once by PostgreSQL's image: a role that is no superuser, so that row-level security binds it, and its database.
set -eu
psql --username postgres --set ON_ERROR_STOP=1 --set password="$(cat /run/secrets/database.password)" <<'SQL'
CREATE ROLE faceplane LOGIN PASSWORD :'password';
CREATE DATABASE faceplane OWNER faceplane;
\connect faceplane
CREATE EXTENSION vector;
SQL
