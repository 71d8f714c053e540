<?php
// Installs the WordPress tree in the current folder without a browser.
define('WP_INSTALLING', true);
$_SERVER['HTTP_HOST'] = getenv('SITE_HOST');
$_SERVER['REQUEST_URI'] = '/';
require './wp-load.php';
require ABSPATH . 'wp-admin/includes/upgrade.php';
// wp_install() itself tells the new administrator by mail.
wp_install('Test site', 'admin', 'admin@example.net', false, '', 'a password for nobody');
